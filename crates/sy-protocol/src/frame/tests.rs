//! Every split of a stream gives the same frames and the same raw bytes.

use bytes::Bytes;

use super::{Frame, FrameReader, Framing};

const MIXED: &str = "\u{feff}: hello\n\nevent: a\ndata: {\"x\":1}\n\ndata:{\"y\":\ndata: 2}\nid: 7\nretry: 10\n\nevent: b\r\ndata: crlf\r\n\r\ndata: cr\r\rdata: é👍\n\n: end\n\ndata: last";

/// Reads the stream in pieces of the given sizes (cycled); returns (event, data) pairs and the raw bytes.
fn read(framing: Framing, stream: &[u8], sizes: &[usize]) -> (Vec<(String, String)>, Vec<u8>) {
    let mut reader = FrameReader::new(framing, 1 << 20);
    let (mut frames, mut raw): (Vec<Frame>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        rest = more;
        let batch = reader.push(&Bytes::copy_from_slice(chunk)).unwrap();
        for frame in &batch.frames {
            assert!(frame.end <= batch.raw.len());
        }
        raw.extend_from_slice(&batch.raw);
        frames.extend(batch.frames);
    }
    let batch = reader.finish();
    raw.extend_from_slice(&batch.raw);
    frames.extend(batch.frames);
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    (frames.iter().map(|frame| (text(&frame.event), text(&frame.data))).collect(), raw)
}

#[test]
fn sse_is_cut_as_the_standard_says() {
    let (frames, raw) = read(Framing::Sse, MIXED.as_bytes(), &[MIXED.len()]);
    let expected = [
        ("a", "{\"x\":1}"),
        ("", "{\"y\":\n2}"),
        ("b", "crlf"),
        ("", "cr"),
        ("", "é👍"),
        ("", "last"),
    ]
    .map(|(e, d)| (e.to_owned(), d.to_owned()));
    assert_eq!(frames, expected);
    assert_eq!(raw, format!("{}\n\n", MIXED.trim_start_matches('\u{feff}')).into_bytes());
}

#[test]
fn every_split_gives_the_same_frames() {
    let whole = read(Framing::Sse, MIXED.as_bytes(), &[usize::MAX]);
    for sizes in [vec![1], vec![2], vec![3], vec![7, 1], vec![1, 5, 2], vec![13]] {
        assert_eq!(read(Framing::Sse, MIXED.as_bytes(), &sizes), whole, "{sizes:?}");
    }
}

#[test]
fn ndjson_lines_are_frames() {
    let (frames, _) = read(Framing::NdJson, b"{\"a\":1}\n\r\n{\"b\":2}\r\n{\"c\":3}", &[4]);
    let data: Vec<&str> = frames.iter().map(|(_, data)| data.trim()).collect();
    assert_eq!(data, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
}

#[test]
fn a_frame_beyond_the_limit_is_refused() {
    let mut reader = FrameReader::new(Framing::Sse, 100);
    let line = Bytes::from(vec![b'x'; 60]);
    assert!(reader.push(&line).is_ok());
    assert!(reader.push(&line).is_err());
}

#[test]
fn a_long_line_in_small_chunks_stays_linear() {
    let stream = format!("data: {}\n\n", "x".repeat(1 << 20));
    let mut reader = FrameReader::new(Framing::Sse, 4 << 20);
    let mut frames = 0;
    for chunk in stream.as_bytes().chunks(64) {
        frames += reader.push(&Bytes::copy_from_slice(chunk)).unwrap().frames.len();
    }
    assert_eq!(frames, 1);
}
