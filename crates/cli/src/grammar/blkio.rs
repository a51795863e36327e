//! Weights and rates of block devices: `/dev/sda:500`, `/dev/sda:1mb`.

use std::path::PathBuf;

use engine::request::{DeviceRate, DeviceWeight};

use super::{Invalid, Read, number, size};

/// Reads a weight for all devices: 10 to 1000, or 0 for none.
pub(crate) fn parse_weight(text: &str) -> Read<u16> {
    let weight: u16 = number::parse(text)?;
    if weight != 0 && !(10..=1000).contains(&weight) {
        return Err(Invalid::new("Range of blkio weight is from 10 to 1000"));
    }
    Ok(weight)
}

/// Reads a weight for one device.
pub(crate) fn parse_device_weight(text: &str) -> Read<DeviceWeight> {
    let (path, weight) = split(text)?;
    let invalid = || Invalid::new(format!("invalid weight for device: {text}"));
    let weight: u16 = weight.parse().map_err(|_| invalid())?;
    if weight != 0 && !(10..=1000).contains(&weight) {
        return Err(invalid());
    }
    Ok(DeviceWeight { path, weight })
}

/// Reads a rate in bytes a second.
pub(crate) fn parse_bps(text: &str) -> Read<DeviceRate> {
    let (path, rate) = split(text)?;
    let rate = size::parse(rate).map_err(|_| {
        Invalid::new(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. \
             Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ))
    })?;
    Ok(DeviceRate { path, rate })
}

/// Reads a rate in operations a second.
pub(crate) fn parse_iops(text: &str) -> Read<DeviceRate> {
    let (path, rate) = split(text)?;
    let rate = rate.parse().map_err(|_| {
        Invalid::new(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. \
             Number must be a positive integer"
        ))
    })?;
    Ok(DeviceRate { path, rate })
}

fn split(text: &str) -> Read<(PathBuf, &str)> {
    let (path, value) = text.split_once(':').ok_or_else(|| Invalid::new(format!("bad format: {text}")))?;
    if path.is_empty() {
        return Err(Invalid::new(format!("bad format: {text}")));
    }
    if !path.starts_with("/dev/") {
        return Err(Invalid::new(format!("bad format for device path: {text}")));
    }
    Ok((PathBuf::from(path), value))
}

#[cfg(test)]
#[test]
fn readings() {
    use super::check::table;
    table(parse_weight, &[("0", "0"), ("10", "10"), ("9", "!Range of blkio weight is from 10 to 1000")]);
    let weights = [
        ("/dev/sda:500", "500"),
        ("/dev/sda:5", "!invalid weight for device: /dev/sda:5"),
        ("sda:500", "!bad format for device path: sda:500"),
        ("/dev/sda", "!bad format: /dev/sda"),
    ];
    table(|text| parse_device_weight(text).map(|d| d.weight), &weights);
    table(|text| parse_bps(text).map(|d| d.rate), &[("/dev/sda:1mb", "1048576"), ("/dev/sda:1024", "1024")]);
    table(|text| parse_iops(text).map(|d| d.rate), &[("/dev/sda:100", "100")]);
    assert!(
        parse_bps("/dev/x:y").unwrap_err().to_string().starts_with("invalid rate for device: /dev/x:y. The")
    );
    assert!(
        parse_iops("/dev/x:1k")
            .unwrap_err()
            .to_string()
            .starts_with("invalid rate for device: /dev/x:1k. The")
    );
}
