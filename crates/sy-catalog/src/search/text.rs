//! Words of a text, cut as minisearch cuts them: at line ends, Unicode spaces and Unicode punctuation, in lower case.
//!
//! Symbols (`+`, `$`, `<`) and tabs do not separate words there, so they do not here.

/// Cuts a text into raw words. As there, a separator at an end leaves an empty word behind, which counts as a word of the
/// field's length.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut behind = 0;
    let mut in_separator = false;
    for (at, letter) in text.char_indices() {
        if separates(letter) {
            if !in_separator {
                words.push(text.get(start..at).unwrap_or_default());
            }
            in_separator = true;
            behind = at + letter.len_utf8();
        } else if in_separator {
            in_separator = false;
            start = behind;
        }
    }
    words.push(text.get(if in_separator { text.len() } else { start }..).unwrap_or_default());
    words
}

/// The letters, as JavaScript counts them.
pub(super) fn length(word: &str) -> usize {
    word.encode_utf16().count()
}

fn separates(letter: char) -> bool {
    match letter {
        '\n' | '\r' => true,
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        '\u{0}'..='\u{7f}' => letter == ' ' || letter.is_ascii_punctuation(),
        // Latin-1: ¡ § « ¶ · » ¿ and the no-break space.
        '\u{a0}' | '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}' => {
            true
        }
        // General punctuation and its spaces, without the two mathematical signs and the controls among them.
        '\u{2044}' | '\u{2052}' => false,
        '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2010}'..='\u{2029}'
        | '\u{202f}'..='\u{205f}' => true,
        // CJK and full-width forms.
        '\u{3000}'..='\u{3003}'
        | '\u{3008}'..='\u{3011}'
        | '\u{3014}'..='\u{301f}'
        | '\u{30fb}' => true,
        '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}' | '\u{ff0c}'..='\u{ff0f}' => true,
        '\u{ff1a}'
        | '\u{ff1b}'
        | '\u{ff1f}'
        | '\u{ff20}'
        | '\u{ff3b}'..='\u{ff3d}'
        | '\u{ff3f}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn texts_are_cut_at_spaces_and_punctuation() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("qwen/qwen3.5-397b:free", &["qwen", "qwen3", "5", "397b", "free"]);
        check("Claude  Opus (4.5)", &["Claude", "Opus", "4", "5", ""]);
        check(" a", &["", "a"]);
        check("", &[""]);
        check("...", &["", ""]);
        check("command-r+", &["command", "r+"]);
        check("智谱・GLM", &["智谱", "GLM"]);
    }
}
