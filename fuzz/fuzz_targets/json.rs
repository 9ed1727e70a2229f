//! Repaired JSON and patched bodies.
#![no_main]

use bytes::Bytes;
use serde_json::Value;
use sy_protocol::patch::Spans;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(value) = sy_protocol::json::read::<Value>(data) {
        // Text that really holds two of the private-use stand-ins side by side comes out as the character that the halves make;
        // from then on nothing changes any more.
        let once: Value = sy_protocol::json::read(&sy_protocol::json::write(&value)).unwrap();
        let twice: Value = sy_protocol::json::read(&sy_protocol::json::write(&once)).unwrap();
        assert_eq!(once, twice);
    }
    if let Ok(spans) = Spans::find(data, &["model", "stream"]) {
        let body = Bytes::copy_from_slice(data);
        let patched = spans.apply(&body, &[("model", Value::from("x")), ("added", Value::from(1))]).concat();
        let again = Spans::find(&patched, &["model", "added"]).unwrap();
        assert_eq!(again.get(&patched, "model"), Some(&b"\"x\""[..]));
        assert_eq!(again.get(&patched, "added"), Some(&b"1"[..]));
    }
});
