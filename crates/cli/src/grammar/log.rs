//! `--log-driver` and `--log-opt`.

use engine::request::{LogDriver, LogOptions};

use super::{Invalid, Read, boolean, number, size};

/// What Docker keeps for a reader that does not keep up (`mode=non-blocking`).
const BUFFER_BYTES: u64 = 1 << 20;

/// Reads driver and options together.
pub(crate) fn parse(driver: Option<&str>, options: &[(String, String)]) -> Read<LogDriver> {
    match driver {
        None | Some("" | "local") => Ok(LogDriver::Local(files("local", options)?)),
        Some("json-file") => Ok(LogDriver::JsonFile(files("json-file", options)?)),
        Some("none") => match options.first() {
            None => Ok(LogDriver::Off),
            Some((key, _)) => Err(unknown(key, "none")),
        },
        Some(other) => Err(Invalid::new(format!("log driver `{other}` is not supported yet"))
            .hint("use local (the default, bounded), json-file or none")),
    }
}

fn unknown(key: &str, driver: &str) -> Invalid {
    Invalid::new(format!("unknown log opt '{key}' for {driver} log driver"))
}

fn files(driver: &str, options: &[(String, String)]) -> Read<LogOptions> {
    let mut read = LogOptions { typed: options.iter().cloned().collect(), ..LogOptions::default() };
    let (mut non_blocking, mut buffer) = (false, None);
    let list = |value: &str| value.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    for (key, value) in options {
        match key.as_str() {
            "max-size" => read.max_bytes = Some(size::parse(value)?).filter(|bytes| *bytes > 0),
            "max-file" => read.max_files = Some(number::parse::<u32>(value)?),
            "compress" => read.compress = Some(boolean::parse(value)?),
            "mode" => match value.as_str() {
                "blocking" | "" => non_blocking = false,
                "non-blocking" => non_blocking = true,
                other => {
                    return Err(Invalid::new(format!("logger: logging mode not supported: {other}"))
                        .hint("use blocking or non-blocking"));
                }
            },
            "max-buffer-size" => buffer = Some(size::parse(value)?),
            "labels" if driver == "json-file" => read.labels = list(value),
            "env" if driver == "json-file" => read.env = list(value),
            "labels-regex" | "env-regex" | "tag" if driver == "json-file" => {
                return Err(Invalid::new(format!("log opt `{key}` is not supported yet")));
            }
            _ => return Err(unknown(key, driver)),
        }
    }
    if buffer.is_some() && !non_blocking {
        return Err(Invalid::new(
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ));
    }
    read.buffer_bytes = non_blocking.then(|| buffer.unwrap_or(BUFFER_BYTES));
    if read.max_files == Some(0) {
        return Err(Invalid::new("max-file cannot be less than 1"));
    }
    if driver == "json-file" && read.max_bytes.is_none() && read.max_files.is_some_and(|files| files > 1) {
        return Err(
            Invalid::new("max-file option is used without max-size").hint("add --log-opt max-size=10m")
        );
    }
    if driver == "json-file" && read.compress == Some(true) && read.max_files.unwrap_or(1) < 2 {
        return Err(Invalid::new(
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ));
    }
    Ok(read)
}

#[cfg(test)]
#[test]
fn drivers() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(parse(Some("none"), &[]), Ok(LogDriver::Off));
    let Ok(LogDriver::Local(local)) = parse(None, &[pair("max-size", "10m"), pair("max-file", "3")]) else {
        panic!("not local")
    };
    assert_eq!((local.max_bytes, local.max_files, local.compress), (Some(10 << 20), Some(3), None));
    assert_eq!(local.typed.get("max-size").map(String::as_str), Some("10m"));
    let options = [pair("mode", "non-blocking"), pair("labels", "a,b"), pair("env", "C")];
    let Ok(LogDriver::JsonFile(json)) = parse(Some("json-file"), &options) else { panic!("not json-file") };
    assert_eq!(json.buffer_bytes, Some(1 << 20));
    assert_eq!((json.labels.join(" ").as_str(), json.env.join(" ").as_str()), ("a b", "C"));
    let text = |driver, options: &[_]| parse(driver, options).unwrap_err().to_string();
    assert_eq!(text(Some("syslog"), &[]), "log driver `syslog` is not supported yet");
    assert_eq!(text(Some("local"), &[pair("foo", "1")]), "unknown log opt 'foo' for local log driver");
    assert_eq!(text(Some("local"), &[pair("labels", "a")]), "unknown log opt 'labels' for local log driver");
    assert_eq!(text(Some("none"), &[pair("foo", "1")]), "unknown log opt 'foo' for none log driver");
    assert_eq!(text(None, &[pair("max-file", "0")]), "max-file cannot be less than 1");
    assert_eq!(text(None, &[pair("mode", "x")]), "logger: logging mode not supported: x");
    let json = Some("json-file");
    assert!(text(json, &[pair("max-file", "2")]).contains("without max-size"));
    assert!(text(json, &[pair("compress", "true")]).contains("compress cannot be true"));
    assert!(text(None, &[pair("max-buffer-size", "1m")]).contains("only supported with 'mode=non-blocking'"));
}
