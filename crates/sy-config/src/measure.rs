//! How much a text in JSON with comments holds, counted before anything is built of it.
//!
//! Asked by the reader of layers. A file of a few megabytes can hold values that cost a hundred times its size, and
//! nesting that costs stack. It does not say whether the text is valid.

/// The most values in one file. A list of every model that a large provider has stays far below it.
const MOST_VALUES: usize = 50_000;
/// The deepest nesting.
const DEEPEST: usize = 64;

/// A text that holds too much.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    /// Where the limit is passed, in bytes.
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Checks that a text holds neither too many values nor too deep nesting.
pub(crate) fn measure(text: &str) -> Result<(), Excess> {
    let (mut depth, mut values) = (0_usize, 1_usize);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b'/' => skip_comment(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                // What is in the brackets is at least one more, and commas tell the others.
                values += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEEPEST {
            let message = format!("expected at most {DEEPEST} levels of nesting, got more");
            return Err(Excess { offset, message });
        }
        if values > MOST_VALUES {
            let message = format!("expected at most {MOST_VALUES} values in one file, got more");
            return Err(Excess { offset, message });
        }
    }
    Ok(())
}

type Bytes<'a> = std::iter::Peekable<std::iter::Enumerate<std::str::Bytes<'a>>>;

fn skip_text(bytes: &mut Bytes<'_>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

fn skip_comment(bytes: &mut Bytes<'_>) {
    match bytes.peek() {
        Some((_, b'/')) => {
            // A lone carriage return ends such a comment too.
            while bytes.next_if(|(_, byte)| !matches!(byte, b'\n' | b'\r')).is_some() {}
        }
        Some((_, b'*')) => {
            bytes.next();
            while let Some((_, byte)) = bytes.next() {
                if byte == b'*' && bytes.next_if(|(_, next)| *next == b'/').is_some() {
                    return;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, MOST_VALUES, measure};

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let many = "[".repeat(DEEPEST + 1);
        for text in [
            format!("\"{many}\""),
            format!("\"\\\"{many}\""),
            format!("// {many}\n1"),
            format!("/* {many} **/1"),
        ] {
            assert_eq!(measure(&text), Ok(()), "{text}");
        }
        assert_eq!(measure(&many).map_err(|excess| excess.offset), Err(DEEPEST));
        assert_eq!(measure(&"[".repeat(DEEPEST)), Ok(()));
    }

    #[test]
    fn values_are_counted() {
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(measure(&list(MOST_VALUES - 1)), Ok(()));
        assert!(measure(&list(MOST_VALUES + 1)).is_err());
    }
}
