//! Everything that a peer may send in this protocol.
#![no_main]

mod protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| protocol::run(sy_protocol::registry::ANTHROPIC_MESSAGES, data));
