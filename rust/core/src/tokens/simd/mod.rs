//! The windows' masks with vector instructions, and the choice among them at run time.
//!
//! The only unsafe code of the tokenizer: loads of 64 bytes, and calls of functions that need a CPU feature.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use super::pattern::Pattern;
use super::window::{self, Sink};
#[cfg(target_arch = "x86_64")]
use crate::simd;

#[cfg(target_arch = "x86_64")]
mod x86;

/// How a text is cut into pieces. All ways give the same pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The matcher alone, on any CPU.
    Portable,
    /// Windows of two AVX2 registers.
    Avx2,
    /// Windows of one AVX-512 register.
    Avx512,
}

impl Path {
    /// All that this CPU can run, fastest last.
    pub fn available() -> &'static [Self] {
        static AVAILABLE: OnceLock<Vec<Path>> = OnceLock::new();
        AVAILABLE.get_or_init(|| {
            let mut paths = vec![Self::Portable];
            #[cfg(target_arch = "x86_64")]
            {
                if simd::has_avx2() {
                    paths.push(Self::Avx2);
                }
                if simd::has_bits() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                    paths.push(Self::Avx512);
                }
            }
            paths
        })
    }

    /// The fastest that this CPU can run.
    #[inline]
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }
}

/// Hands the pieces of `text` to `sink`. A path that this CPU cannot run is replaced by the portable one.
#[inline]
pub fn cut<P: Pattern>(path: Path, text: &[u8], sink: &mut impl Sink) {
    match path {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the path is in the list of those whose features this CPU was found to have.
        Path::Avx2 if Path::available().contains(&path) => unsafe { x86::cut_avx2::<P>(text, sink) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Path::Avx512 if Path::available().contains(&path) => unsafe { x86::cut_avx512::<P>(text, sink) },
        _ => window::cut_portable::<P>(text, sink),
    }
}
