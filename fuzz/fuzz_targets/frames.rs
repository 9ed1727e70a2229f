//! Frames: every cut of a stream gives the same frames, and relayed bytes are the bytes that came.
#![no_main]

use bytes::Bytes;
use sy_protocol::{FrameReader, Framing};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, stream)) = data.split_first() else { return };
    let framing = if choice % 2 == 0 { Framing::Sse } else { Framing::NdJson };
    let whole = read(framing, stream, usize::MAX);
    let size = usize::from(choice / 2 % 9) + 1;
    assert_eq!(whole, read(framing, stream, size));
});

fn read(framing: Framing, stream: &[u8], size: usize) -> (Vec<(Bytes, Bytes)>, Vec<u8>) {
    let mut reader = FrameReader::new(framing, 1 << 20);
    let (mut frames, mut raw) = (Vec::new(), Vec::new());
    for chunk in stream.chunks(size.min(stream.len().max(1))) {
        let batch = reader.push(&Bytes::copy_from_slice(chunk)).unwrap();
        raw.extend_from_slice(&batch.raw);
        frames.extend(batch.frames.into_iter().map(|frame| (frame.event, frame.data)));
    }
    let batch = reader.finish();
    raw.extend_from_slice(&batch.raw);
    frames.extend(batch.frames.into_iter().map(|frame| (frame.event, frame.data)));
    (frames, raw)
}
