//! The sampler against collectors that count, fail, panic and hang.
