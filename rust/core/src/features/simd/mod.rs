//! Which of 64 bytes are what, one bit a byte, with what the CPU has; chosen at run time.
//!
//! The only unsafe code of the features: calls of functions that need CPU features.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use crate::simd;
use crate::simd::WINDOW;

/// Which of 64 bytes are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Masks {
    /// a-z and A-Z.
    pub letter: u64,
    /// A-Z.
    pub upper: u64,
    /// The space.
    pub space: u64,
    /// The comma.
    pub comma: u64,
    /// A sign that may begin markup: `<`, `/`, `*`, `]`.
    pub tag: u64,
}

/// Turns 64 bytes into masks.
pub trait Classify {
    /// The masks of `bytes`.
    fn masks(bytes: &[u8; WINDOW]) -> Masks;
}

/// What reads a text by masks.
pub trait Job {
    /// What it finds.
    type Found;
    /// Reads the text. Marked `#[inline(always)]` where it is written, so that it is compiled for the CPU that runs it.
    fn run<C: Classify>(self) -> Self::Found;
}

/// Runs a job with the fastest masks that this CPU has.
#[inline]
pub fn with_masks<J: Job>(job: J) -> J::Found {
    #[cfg(target_arch = "x86_64")]
    if simd::has_avx2() {
        // SAFETY: the CPU has just been found to have what the function needs.
        return unsafe { x86::run_avx2(job) };
    }
    job.run::<Portable>()
}

/// Byte by byte, on any CPU.
pub enum Portable {}

impl Classify for Portable {
    #[inline]
    fn masks(bytes: &[u8; WINDOW]) -> Masks {
        let mut masks = Masks::default();
        for (at, &byte) in bytes.iter().enumerate() {
            let bit = |is_one: bool| u64::from(is_one) << at;
            masks.letter |= bit(byte.is_ascii_alphabetic());
            masks.upper |= bit(byte.is_ascii_uppercase());
            masks.space |= bit(byte == b' ');
            masks.comma |= bit(byte == b',');
            masks.tag |= bit(matches!(byte, b'<' | b'/' | b'*' | b']'));
        }
        masks
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    struct Read<'a>(&'a [u8; WINDOW]);

    impl Job for Read<'_> {
        type Found = Masks;
        #[expect(clippy::inline_always, reason = "the body must be compiled into its caller")]
        #[inline(always)]
        fn run<C: Classify>(self) -> Masks {
            C::masks(self.0)
        }
    }

    #[test]
    fn every_byte_at_every_place_has_its_bits() {
        for byte in 0..=255u8 {
            for place in 0..WINDOW {
                for filler in [b' ', b'a', b'Z', b'[', b'@', b'`', b'{', 0xff] {
                    let mut bytes = [filler; WINDOW];
                    bytes[place] = byte;
                    assert_eq!(with_masks(Read(&bytes)), Portable::masks(&bytes), "{byte} at {place}");
                }
            }
        }
    }
}
