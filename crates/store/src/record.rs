//! Records: JSON in an envelope that tells its version and proves that its bytes are those written.
//!
//! ```text
//! {"version":1,"crc64":"995dc9bbdf1939fa","data":{…}}
//! ```
//!
//! The checksum covers the bytes of `data`. CRC-64/XZ and not SHA-256: it guards against bit rot and
//! torn writes, not against an adversary (who could write both), and it needs no CPU detection on the
//! path of `run` and `ps`.

use std::os::fd::AsFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Durability, Error, Result, read, write_atomic};

/// A value that is kept as a record.
pub trait Record: Serialize + DeserializeOwned {
    /// What messages call it: "container", "image".
    const KIND: &'static str;
    /// The version that is written. A reader refuses a newer one and leaves it as it is.
    const VERSION: u32;

    /// Reads a record of an older version; `None` where that can no longer be done.
    fn migrate(_version: u32, _data: serde_json::Value) -> Option<Self> {
        None
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    crc64: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Turns a value into the bytes of its record.
pub fn encode_record<R: Record>(record: &R) -> Result<Vec<u8>> {
    let encode = |source| Error::Encode { kind: R::KIND, source };
    let data = serde_json::value::to_raw_value(record).map_err(encode)?;
    let crc64 = format!("{:016x}", crc64(data.get().as_bytes()));
    let mut bytes =
        serde_json::to_vec(&Envelope { version: R::VERSION, crc64, data: &data }).map_err(encode)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a value from the bytes of its record; `name` is for messages.
pub fn decode_record<R: Record>(name: &str, bytes: &[u8]) -> Result<R> {
    let malformed = |source| Error::Malformed { kind: R::KIND, name: name.to_owned(), source };
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
    // Before the checksum: what a newer version checks, and how, is its own affair.
    if envelope.version > R::VERSION {
        let (found, known) = (envelope.version, R::VERSION);
        return Err(Error::Newer { kind: R::KIND, name: name.to_owned(), found, known });
    }
    let data = envelope.data.get();
    if envelope.crc64 != format!("{:016x}", crc64(data.as_bytes())) {
        return Err(Error::Checksum { kind: R::KIND, name: name.to_owned() });
    }
    if envelope.version == R::VERSION {
        return serde_json::from_str(data).map_err(malformed);
    }
    let value = serde_json::from_str(data).map_err(malformed)?;
    R::migrate(envelope.version, value).ok_or_else(|| Error::Older {
        kind: R::KIND,
        name: name.to_owned(),
        found: envelope.version,
        known: R::VERSION,
    })
}

/// Writes a record in place of an earlier one of this name.
pub fn write_record<R: Record>(dir: impl AsFd, name: &str, record: &R, durability: Durability) -> Result<()> {
    write_atomic(dir, name, &encode_record(record)?, durability)
}

/// Reads a record.
pub fn read_record<R: Record>(dir: impl AsFd, name: &str) -> Result<R> {
    decode_record(name, &read(dir, name)?)
}

/// What a byte does to the checksum, by how many further bytes follow it of the eight that are taken together
/// ("slicing by 8", Kounavis and Berry 2005): a list of a thousand containers checks megabytes.
static CRC64_TABLES: [[u64; 256]; 8] = crc64_tables();

const fn crc64_tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xC96C_5795_D787_0F42 } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut following = 1;
    while following < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[following - 1][byte];
            tables[following][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        following += 1;
    }
    tables
}

/// CRC-64/XZ (ECMA-182, reflected).
fn crc64(bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights.iter().fold(!0_u64, |crc, eight| {
        let bytes = (crc ^ u64::from_le_bytes(*eight)).to_le_bytes();
        bytes
            .iter()
            .zip(CRC64_TABLES.iter().rev())
            .fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)])
    });
    !rest.iter().fold(crc, |crc, byte| CRC64_TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::{CRC64_TABLES, Record, crc64, decode_record, encode_record, read_record, write_record};
    use crate::{Durability, Error};

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Boat {
        seats: u32,
    }

    impl Record for Boat {
        const KIND: &'static str = "boat";
        const VERSION: u32 = 2;

        fn migrate(version: u32, data: serde_json::Value) -> Option<Self> {
            let seats = data.get("places")?.as_u64()?;
            (version == 1).then(|| Self { seats: seats.try_into().unwrap() })
        }
    }

    #[test]
    fn checksum_is_the_standard_one() {
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
        // Of every length, the same as a byte at a time.
        let bytes: Vec<u8> = (0..200u8).map(|byte| byte.wrapping_mul(167)).collect();
        for length in 0..bytes.len() {
            let slow = |crc: u64, byte: &u8| CRC64_TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
            assert_eq!(crc64(&bytes[..length]), !bytes[..length].iter().fold(!0, slow), "{length}");
        }
    }

    #[test]
    fn record_round_trips_through_a_file() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        write_record(&dir, "b", &Boat { seats: 1 }, Durability::Synced).unwrap();
        write_record(&dir, "b", &Boat { seats: 2 }, Durability::Volatile).unwrap();
        assert_eq!(read_record::<Boat>(&dir, "b").unwrap(), Boat { seats: 2 });
        assert!(read_record::<Boat>(&dir, "c").unwrap_err().is_not_found());
        assert_eq!(dir.list("").unwrap().len(), 1, "no unfinished file is left");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = encode_record(&Boat { seats: 7 }).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(boat) = decode_record::<Boat>("x", &damaged) {
                // White space after the record, or a letter case of a name, may change harmlessly.
                assert_eq!(boat, Boat { seats: 7 }, "bit {bit}");
            }
        }
    }

    #[test]
    fn versions_are_migrated_or_refused() {
        let data = r#"{"places":3}"#;
        let bytes = format!(r#"{{"version":1,"crc64":"{:016x}","data":{data}}}"#, crc64(data.as_bytes()));
        assert_eq!(decode_record::<Boat>("x", bytes.as_bytes()).unwrap(), Boat { seats: 3 });
        let newer = br#"{"version":3,"crc64":"","data":{"whatever":1},"more":true}"#;
        assert!(matches!(
            decode_record::<Boat>("x", newer).unwrap_err(),
            Error::Newer { found: 3, known: 2, .. }
        ));
        let zero = bytes.replace("\"version\":1", "\"version\":0");
        assert!(matches!(decode_record::<Boat>("x", zero.as_bytes()).unwrap_err(), Error::Older { .. }));
        assert!(matches!(decode_record::<Boat>("x", b"").unwrap_err(), Error::Malformed { .. }));
    }
}
