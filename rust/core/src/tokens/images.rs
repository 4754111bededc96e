//! What an image costs: the providers' published rules, and the size of an image from its first bytes.

use super::models::Family;

/// The tokens of an image, and whether its size was known.
pub struct ImageTokens {
    pub tokens: usize,
    /// The most it can be: what the tokens are when the size is unknown.
    pub upper: usize,
}

/// How many bytes of an image are read to find its size. A JPEG may hold a preview before it says how large it is.
const HEADER: usize = 64 << 10;

/// The tokens of an image of `size` (width, height in pixels; `None` if unknown) for a model.
pub fn tokens(family: Family, model: &str, size: Option<(u32, u32)>, detail: &str) -> ImageTokens {
    let (usual, most) = match family {
        Family::Claude { is_new } => {
            let (edge, cap) = if is_new { (2576, 4784) } else { (1568, 1568) };
            (size.map(|(width, height)| claude(width, height, edge, cap)), cap)
        }
        // Two answers are in use: tiles up to Gemini 2.5, about 1,100 an image from Gemini 3 on, whatever its size.
        Family::Gemini if model.contains("gemini-3") => (Some(1120), 1120),
        Family::Gemini => (size.map(|(width, height)| gemini(width, height)), 258 * 16),
        _ => openai(model, size, detail),
    };
    // An image of unknown size counts as one of 1024 x 1024.
    let assumed = || match family {
        Family::Claude { is_new } => claude(1024, 1024, if is_new { 2576 } else { 1568 }, most),
        Family::Gemini => gemini(1024, 1024),
        _ => openai(model, Some((1024, 1024)), detail).0.unwrap_or(most),
    };
    match usual {
        Some(tokens) => ImageTokens { tokens, upper: tokens },
        None => ImageTokens { tokens: assumed(), upper: most },
    }
}

/// `ceil(w/28) * ceil(h/28)` after the long edge has been brought down to `edge`; at most `cap`.
fn claude(width: u32, height: u32, edge: u32, cap: usize) -> usize {
    let (width, height) = fit_in(f64::from(width), f64::from(height), f64::from(edge), f64::from(edge));
    (patches(width, 28.0) * patches(height, 28.0)).min(cap)
}

/// 258 for an image within 384 x 384, else 258 for each tile of 768.
fn gemini(width: u32, height: u32) -> usize {
    if width <= 384 && height <= 384 {
        return 258;
    }
    258 * patches(f64::from(width), 768.0) * patches(f64::from(height), 768.0)
}

/// How an OpenAI model counts images.
enum Rule {
    /// `base` and `tile` for each 512-pixel tile, after fitting into 2048 x 2048 and bringing the short side down to 768.
    Tiles { base: usize, tile: usize },
    /// Patches of 32 pixels, at most `cap`, times `per_mille` / 1000.
    Patches { cap: usize, per_mille: usize },
}

/// The rules by model name; the first that the name begins with. Seen in November 2026 in OpenAI's guide and litellm 1.109.
const RULES: &[(&str, Rule)] = &[
    ("gpt-5-mini", Rule::Patches { cap: 1536, per_mille: 1620 }),
    ("gpt-5-nano", Rule::Patches { cap: 1536, per_mille: 2460 }),
    ("gpt-5.4", Rule::Patches { cap: 2500, per_mille: 1200 }),
    ("gpt-5", Rule::Tiles { base: 70, tile: 140 }),
    ("gpt-4.1-mini", Rule::Patches { cap: 1536, per_mille: 1620 }),
    ("gpt-4.1-nano", Rule::Patches { cap: 1536, per_mille: 2460 }),
    ("o4-mini", Rule::Patches { cap: 1536, per_mille: 1720 }),
    ("gpt-4o-mini", Rule::Tiles { base: 2833, tile: 5667 }),
    ("o1", Rule::Tiles { base: 75, tile: 150 }),
    ("o3", Rule::Tiles { base: 75, tile: 150 }),
    ("", Rule::Tiles { base: 85, tile: 170 }),
];

/// The tokens, and the most that any image takes.
fn openai(model: &str, size: Option<(u32, u32)>, detail: &str) -> (Option<usize>, usize) {
    let rule = RULES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, rule)| rule);
    match rule {
        Some(&Rule::Patches { cap, per_mille }) => {
            let scaled = |patches: usize| (patches.min(cap) * per_mille).div_ceil(1000);
            let known = size.map(|(width, height)| scaled(capped_patches(f64::from(width), f64::from(height), cap)));
            (known, scaled(cap))
        }
        Some(&Rule::Tiles { base, tile }) => {
            if detail == "low" {
                return (Some(base), base);
            }
            let known = size.map(|(width, height)| {
                let (width, height) = fit_in(f64::from(width), f64::from(height), 2048.0, 2048.0);
                let shrink = (768.0 / width.min(height)).min(1.0);
                base + tile * patches(width * shrink, 512.0) * patches(height * shrink, 512.0)
            });
            // 2048 x 768 is the most that is left after fitting: four tiles by two.
            (known, base + tile * 8)
        }
        None => (None, 0),
    }
}

/// Patches of 32 pixels; an image with more than `cap` is scaled down until it has no more.
fn capped_patches(width: f64, height: f64, cap: usize) -> usize {
    let all = patches(width, 32.0) * patches(height, 32.0);
    if all <= cap {
        return all;
    }
    let shrink = (32.0 * 32.0 * cap as f64 / (width * height)).sqrt();
    // So that a whole number of patches fits the width or the height, as OpenAI's guide has it.
    let (across, down) = (width * shrink / 32.0, height * shrink / 32.0);
    let shrink = shrink * (across.floor() / across).min(down.floor() / down);
    patches(width * shrink, 32.0) * patches(height * shrink, 32.0)
}

fn fit_in(width: f64, height: f64, most_width: f64, most_height: f64) -> (f64, f64) {
    let shrink = (most_width / width).min(most_height / height).min(1.0);
    (width * shrink, height * shrink)
}

#[allow(clippy::cast_sign_loss, reason = "sizes are not negative")]
fn patches(pixels: f64, patch: f64) -> usize {
    // A hair less, so that rounding in the scale does not add a patch.
    ((pixels - 1e-6) / patch).ceil().max(1.0) as usize
}

/// The width and height of the image in a `data:` URL or in base64 alone; `None` for any other URL: nothing is fetched.
pub fn size_of(source: &str) -> Option<(u32, u32)> {
    let base64 = match source.strip_prefix("data:") {
        Some(url) => url.split_once("base64,")?.1,
        None if source.contains("://") => return None,
        None => source,
    };
    size_in(&decode(base64))
}

/// The first bytes of a base64 text.
fn decode(base64: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let (mut bits, mut held) = (0u32, 0);
    for byte in base64.bytes().take(HEADER / 3 * 4) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// The width and height in the header of a PNG, GIF, WebP or JPEG.
fn size_in(bytes: &[u8]) -> Option<(u32, u32)> {
    let be16 = |at: usize| Some(u32::from(*bytes.get(at)?) << 8 | u32::from(*bytes.get(at + 1)?));
    let le16 = |at: usize| Some(u32::from(*bytes.get(at)?) | u32::from(*bytes.get(at + 1)?) << 8);
    let le24 = |at: usize| Some(le16(at)? | u32::from(*bytes.get(at + 2)?) << 16);
    let size = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        (be16(16)? << 16 | be16(18)?, be16(20)? << 16 | be16(22)?)
    } else if bytes.starts_with(b"GIF8") {
        (le16(6)?, le16(8)?)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP" {
        match bytes.get(12..16)? {
            b"VP8X" => (le24(24)? + 1, le24(27)? + 1),
            b"VP8L" => {
                let bits = le16(21)? | le16(23)? << 16;
                ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            }
            _ => (le16(26)? & 0x3FFF, le16(28)? & 0x3FFF),
        }
    } else if bytes.starts_with(b"\xFF\xD8") {
        jpeg(bytes, be16)?
    } else {
        return None;
    };
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// The size in the first frame header among a JPEG's segments.
fn jpeg(bytes: &[u8], be16: impl Fn(usize) -> Option<u32>) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xFF {
            return None;
        }
        match *bytes.get(at + 1)? {
            0xFF => at += 1,
            // Frame headers, but for the markers between them that are none.
            marker @ 0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                return Some((be16(at + 7)?, be16(at + 5)?));
            }
            _ => at += 2 + be16(at + 2)? as usize,
        }
    }
}
