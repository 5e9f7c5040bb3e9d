//! Sizes, ranges, times and byte strings as people write them on a command line, and as they like to read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes: `4096`, `0x1000`, `4KiB`, `256M`, `1GB`.
///
/// `K`, `M`, `G`, `T` and `KiB` to `TiB` are powers of 1024, `KB` to `TB` powers of 1000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let text = text.trim();
        let bad = || format!("`{text}` is not a number of bytes: write 4096, 0x1000, 4KiB, 256M or 1GB");
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u64::from_str_radix(hex, 16).map(Bytes).map_err(|_| bad());
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "ki" | "kib" => 1 << 10,
            "m" | "mi" | "mib" => 1 << 20,
            "g" | "gi" | "gib" => 1 << 30,
            "t" | "ti" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(bad()),
        };
        number.checked_mul(unit).map(Bytes).ok_or_else(|| format!("`{text}` does not fit in 64 bits"))
    }
}

/// In a file, a plain number will do.
impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Bytes(number)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        match value.fract() == 0.0 {
            true => write!(f, "{value:.0} {}", UNITS[unit]),
            false => write!(f, "{value:.1} {}", UNITS[unit]),
        }
    }
}

/// `OFF+LEN`: a part of an object, e.g. `4096+512`, `1MiB+4KiB`, `0x1000+16`. Never empty, never past 2^64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// Bytes; at least 1.
    pub len: u64,
}

impl Range {
    /// The byte after the last one.
    pub fn end(self) -> u64 {
        self.offset + self.len
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Range, String> {
        let (offset, len) = text
            .split_once('+')
            .ok_or_else(|| format!("`{text}` is not OFFSET+LENGTH: write 4096+512 or 1MiB+4KiB"))?;
        let (Bytes(offset), Bytes(len)) = (offset.parse()?, len.parse()?);
        if len == 0 {
            return Err(format!("`{text}` is an empty range: the length is at least 1"));
        }
        match offset.checked_add(len) {
            Some(_) => Ok(Range { offset, len }),
            None => Err(format!("`{text}` ends beyond 64 bits")),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}+{}", self.offset, self.len)
    }
}

/// `OFF:BYTES`: what to write and where. BYTES is text with the escapes `\n \r \t \0 \\ \xHH`, or `hex:00ff..`, or
/// `@FILE`, whose contents are read when the command runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch {
    /// The first byte written.
    pub offset: u64,
    /// What is written.
    pub source: Source,
}

/// Where the bytes of a [`Patch`] come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The command line itself.
    Given(Vec<u8>),
    /// A file.
    File(std::path::PathBuf),
}

impl FromStr for Patch {
    type Err = String;

    fn from_str(text: &str) -> Result<Patch, String> {
        let (offset, bytes) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is not OFFSET:BYTES: write 4096:hello, 0:hex:cafe or 0:@FILE"))?;
        let Bytes(offset) = offset.parse()?;
        let source = if let Some(path) = bytes.strip_prefix('@') {
            Source::File(path.into())
        } else if let Some(digits) = bytes.strip_prefix("hex:") {
            Source::Given(hex::decode(digits).map_err(|e| format!("`{digits}` is not hexadecimal: {e}"))?)
        } else {
            Source::Given(unescape(bytes)?)
        };
        match source {
            Source::Given(given) if given.is_empty() => Err(format!("`{text}` writes nothing")),
            source => Ok(Patch { offset, source }),
        }
    }
}

/// Which pages `mach map --touch` reads: `seq`, or `random:COUNT[:SEED]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Every page once, in order.
    Sequential,
    /// `count` pages chosen evenly from the whole object; the same seed chooses the same pages.
    Random {
        /// Pages to read, with repetition.
        count: u64,
        /// Fixes the choice.
        seed: Option<u64>,
    },
}

impl FromStr for Touch {
    type Err = String;

    fn from_str(text: &str) -> Result<Touch, String> {
        let bad = || format!("`{text}` is no order of pages: write seq, random:COUNT or random:COUNT:SEED");
        let mut parts = text.split(':');
        let touch = match (parts.next(), parts.next(), parts.next()) {
            (Some("seq"), None, None) => Touch::Sequential,
            (Some("random"), Some(count), seed) => Touch::Random {
                count: count.parse().ok().filter(|c| *c > 0).ok_or_else(bad)?,
                seed: seed.map(|s| s.parse().map_err(|_| bad())).transpose()?,
            },
            _ => return Err(bad()),
        };
        if parts.next().is_some() { Err(bad()) } else { Ok(touch) }
    }
}

/// A time with its unit: `500ms`, `3s`, `2m`. A number alone is refused: it does not say of what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let bad = || format!("`{text}` is not a time: write 500ms, 3s or 2m");
        let text_trimmed = text.trim();
        let digits = text_trimmed.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, unit) = text_trimmed.split_at(digits);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let unit = match unit.trim() {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            _ => return Err(bad()),
        };
        Duration::try_from_secs_f64(number * unit).map(Span).map_err(|_| bad())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            s if s < 1e-3 => write!(f, "{:.1} us", s * 1e6),
            s if s < 1.0 => write!(f, "{:.1} ms", s * 1e3),
            s if s < 120.0 => write!(f, "{s:.1} s"),
            s if s < 7200.0 => write!(f, "{:.0} min", s / 60.0),
            s if s < 172_800.0 => write!(f, "{:.1} h", s / 3600.0),
            s => write!(f, "{:.1} d", s / 86_400.0),
        }
    }
}

/// Decimal megabytes a second, as network and disk speeds are told.
pub fn megabytes_per_second(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9)
}

/// `text` with its escapes replaced.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => hex_byte(rest.next(), rest.next())
                .ok_or_else(|| format!("`{text}`: \\x wants two hexadecimal digits"))?,
            _ => return Err(format!("`{text}`: unknown escape (known are \\n \\r \\t \\0 \\\\ \\xHH)")),
        });
    }
    Ok(out)
}

fn hex_byte(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |b: Option<u8>| char::from(b?).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, String> {
        text.parse::<Bytes>().map(|b| b.0)
    }

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0", 0),
            ("4096", 4096),
            ("0x1000", 4096),
            ("0XfF", 255),
            ("4KiB", 4096),
            ("4k", 4096),
            ("256MiB", 256 << 20),
            ("1 GB", 1_000_000_000),
            ("2t", 2 << 40),
            (" 7 ", 7),
        ] {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for text in ["", "KiB", "-1", "4.5KiB", "4 kibi", "0x", "0xfg", "1_000", "99999999999999999999"] {
            assert!(bytes(text).unwrap_err().contains(text.trim()), "{text}");
        }
        assert_eq!(bytes("20000000T"), Err("`20000000T` does not fit in 64 bits".into()));
    }

    #[test]
    fn sizes_read_back() {
        for (n, want) in [(0, "0 B"), (1023, "1023 B"), (4096, "4 KiB"), (1536, "1.5 KiB"), (256 << 20, "256 MiB")] {
            assert_eq!(Bytes(n).to_string(), want);
        }
        assert_eq!(Bytes(u64::MAX).to_string(), "16777216 TiB");
    }

    #[test]
    fn ranges() {
        let range = |t: &str| t.parse::<Range>().map(|r| (r.offset, r.len));
        assert_eq!(range("4096+512"), Ok((4096, 512)));
        assert_eq!(range("1MiB+4KiB"), Ok((1 << 20, 4096)));
        assert_eq!(range("0x1000+16"), Ok((4096, 16)));
        assert_eq!(range("4096").unwrap_err(), "`4096` is not OFFSET+LENGTH: write 4096+512 or 1MiB+4KiB");
        assert_eq!(range("0+0").unwrap_err(), "`0+0` is an empty range: the length is at least 1");
        assert_eq!(range("0xffffffffffffffff+1").unwrap_err(), "`0xffffffffffffffff+1` ends beyond 64 bits");
        assert!(range("+5").is_err() && range("5+").is_err() && range("1+2+3").is_err());
    }

    #[test]
    fn patches() {
        let patch = |t: &str| t.parse::<Patch>().map(|p| (p.offset, p.source));
        assert_eq!(patch("4096:hello"), Ok((4096, Source::Given(b"hello".to_vec()))));
        assert_eq!(patch("1KiB:a:b"), Ok((1024, Source::Given(b"a:b".to_vec()))));
        assert_eq!(patch(r"0:a\n\x00\\\t"), Ok((0, Source::Given(b"a\n\0\\\t".to_vec()))));
        assert_eq!(patch("0:hex:CAfe"), Ok((0, Source::Given(vec![0xca, 0xfe]))));
        assert_eq!(patch("8:@/tmp/x"), Ok((8, Source::File("/tmp/x".into()))));
        assert_eq!(patch("0:").unwrap_err(), "`0:` writes nothing");
        for bad in ["hello", "x:hello", "0:hex:abc", r"0:\q", r"0:\x4", r"0:\"] {
            assert!(patch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn orders_of_pages() {
        let touch = |t: &str| t.parse::<Touch>();
        assert_eq!(touch("seq"), Ok(Touch::Sequential));
        assert_eq!(touch("random:100"), Ok(Touch::Random { count: 100, seed: None }));
        assert_eq!(touch("random:100:7"), Ok(Touch::Random { count: 100, seed: Some(7) }));
        for bad in ["", "random", "random:", "random:0", "random:x", "random:1:x", "random:1:2:3", "seq:1"] {
            assert!(touch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        let span = |t: &str| t.parse::<Span>().map(|s| s.0);
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(span("2m"), Ok(Duration::from_secs(120)));
        for bad in ["3", "s", "3h", "-1s", "1e3s", "99999999999999999999m"] {
            assert!(span(bad).unwrap_err().contains("write 500ms"), "{bad}");
        }
        assert_eq!(Span(Duration::from_micros(83)).to_string(), "83.0 us");
        assert_eq!(Span(Duration::from_secs(3600)).to_string(), "60 min");
    }
}
