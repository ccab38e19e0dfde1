//! Changes of a file that a broken kernel, a hostile container or a torn copy could make.

use fastrand::Rng;

const ODD: [&[u8]; 16] = [
    b"",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775808",
    b"99999999999999999999999999999999",
    b"1e308",
    b"-1e308",
    b"nan",
    b"inf",
    b"0x7f",
    b"\xff\xfe\xc3",
    b"a\0b",
    b")",
    b"\\777\\",
];

/// A line as long as a file may be.
pub(super) const GIANT: usize = 1 << 20;

/// Files of a host are this long at the most; what is larger was made so by [`mutate`].
pub(super) const LARGE: usize = 64 << 10;

/// Makes one to four changes.
pub(super) fn mutate(content: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..=4) {
        change(content, rng);
    }
    // A file that is larger than may be read is refused before any parser.
    content.truncate(GIANT);
}

fn change(content: &mut Vec<u8>, rng: &mut Rng) {
    if content.is_empty() {
        content.extend_from_slice(ODD[rng.usize(0..ODD.len())]);
        return;
    }
    let at = rng.usize(0..content.len());
    match rng.u8(0..100) {
        0..25 => content[at] ^= 1 << rng.u8(0..8),
        25..35 => content[at] = rng.u8(..),
        35..45 => content.truncate(at),
        45..75 => {
            let (from, to) = around(content, at, |byte| byte.is_ascii_whitespace());
            content.splice(from..to, ODD[rng.usize(0..ODD.len())].iter().copied());
        }
        75..82 => {
            let (from, to) = around(content, at, |byte| byte == b'\n');
            let line = [&content[from..to], b"\n"].concat();
            content.splice(from..from, line);
        }
        82..89 => {
            let (from, to) = around(content, at, |byte| byte == b'\n');
            content.drain(from..to);
        }
        89..94 => {
            // Digits make a number that is too large wherever a number is.
            let run: Vec<u8> = (0..rng.usize(1..200)).map(|_| rng.u8(b'0'..=b'9')).collect();
            content.splice(at..at, run);
        }
        94..98 => content.extend_from_within(..content.len().min(LARGE / 8)),
        98 => *content = content.iter().copied().filter(|byte| *byte != b'\n').collect(),
        _ => {
            let byte = *[b'7', b' ', b'\n', b'x', 0xff, 0, b'\\'].get(rng.usize(0..7)).unwrap();
            content.splice(at..at, std::iter::repeat_n(byte, GIANT));
        }
    }
}

/// The run around a place that ends where `ends` holds.
fn around(content: &[u8], at: usize, ends: impl Fn(u8) -> bool) -> (usize, usize) {
    let from = content[..at].iter().rposition(|byte| ends(*byte)).map_or(0, |at| at + 1);
    let to = content[at..].iter().position(|byte| ends(*byte)).map_or(content.len(), |end| at + end);
    (from, to.max(from))
}
