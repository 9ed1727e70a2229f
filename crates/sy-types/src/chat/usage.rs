//! Token counts of one exchange.

/// Tokens, counted in one way whatever the protocol: classes are parts of their total, never beside it.
///
/// OpenAI counts cached tokens inside the prompt, Anthropic beside it; most count reasoning inside the answer, Gemini and xAI
/// beside it. Decoders bring all of them into this form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All prompt tokens, cached ones included.
    pub input: u64,
    /// Those of `input` that were read from a cache.
    pub cache_read: u64,
    /// Those of `input` that were written to a cache.
    pub cache_write: u64,
    /// All answer tokens, reasoning included.
    pub output: u64,
    /// Those of `output` that were reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Returns prompt plus answer.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Takes over a later report: it replaces an earlier one, also where it counts less, the classes of a side together. Streams
    /// may report prompt and answer apart, so a side that is zero says nothing.
    pub fn merge(&mut self, later: &Self) {
        if later.input > 0 {
            (self.input, self.cache_read, self.cache_write) =
                (later.input, later.cache_read, later.cache_write);
        }
        if later.output > 0 {
            (self.output, self.reasoning) = (later.output, later.reasoning);
        }
    }
}
