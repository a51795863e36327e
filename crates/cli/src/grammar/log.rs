//! `--log-driver` and `--log-opt`.

use engine::request::LogDriver;

use super::{Invalid, Read, number, size};

/// Reads driver and options together.
pub(crate) fn parse(driver: Option<&str>, options: &[(String, String)]) -> Read<LogDriver> {
    match driver {
        None | Some("" | "local") => local(options),
        Some("none") => match options.first() {
            None => Ok(LogDriver::Off),
            Some((key, _)) => Err(Invalid::new(format!("unknown log opt '{key}' for none log driver"))),
        },
        Some(other) => Err(Invalid::new(format!("log driver `{other}` is not supported yet"))
            .hint("use local (the default, bounded) or none")),
    }
}

fn local(options: &[(String, String)]) -> Read<LogDriver> {
    let (mut max_bytes, mut max_files) = (None, None);
    for (key, value) in options {
        match key.as_str() {
            "max-size" => max_bytes = Some(size::parse(value)?).filter(|bytes| *bytes > 0),
            "max-file" => max_files = Some(number::parse::<u32>(value)?),
            "compress" | "mode" | "max-buffer-size" | "labels" | "labels-regex" | "env" | "env-regex"
            | "tag" => {
                return Err(Invalid::new(format!("log opt `{key}` is not supported yet")));
            }
            _ => return Err(Invalid::new(format!("unknown log opt '{key}' for local log driver"))),
        }
    }
    if max_files == Some(0) {
        return Err(Invalid::new("max-file cannot be less than 1"));
    }
    Ok(LogDriver::Local { max_bytes, max_files })
}

#[cfg(test)]
#[test]
fn drivers() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(parse(Some("none"), &[]), Ok(LogDriver::Off));
    assert_eq!(
        parse(None, &[pair("max-size", "10m"), pair("max-file", "3")]),
        Ok(LogDriver::Local { max_bytes: Some(10 << 20), max_files: Some(3) })
    );
    let text = |driver, options: &[_]| parse(driver, options).unwrap_err().to_string();
    assert_eq!(text(Some("syslog"), &[]), "log driver `syslog` is not supported yet");
    assert_eq!(text(Some("local"), &[pair("foo", "1")]), "unknown log opt 'foo' for local log driver");
    assert_eq!(text(Some("none"), &[pair("foo", "1")]), "unknown log opt 'foo' for none log driver");
    assert_eq!(text(None, &[pair("max-file", "0")]), "max-file cannot be less than 1");
}
