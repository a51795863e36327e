//! `--restart`: `no`, `always`, `unless-stopped`, `on-failure[:TRIES]`.

use engine::request::RestartPolicy;

use super::{Invalid, Read, number};

/// Reads a restart policy.
pub(crate) fn parse(text: &str) -> Read<RestartPolicy> {
    let (name, tries) = match text.split_once(':') {
        Some((name, tries)) => (name, Some(tries)),
        None => (text, None),
    };
    let policy = match name {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => {
            let max = tries.map(number::parse::<u32>).transpose()?;
            return Ok(RestartPolicy::OnFailure { retries_max: max.filter(|max| *max > 0) });
        }
        _ => {
            let text = format!("invalid restart policy: unknown policy '{name}'");
            return Err(
                Invalid::new(text).hint("use one of 'no', 'always', 'on-failure', or 'unless-stopped'")
            );
        }
    };
    match tries {
        None => Ok(policy),
        Some("0") => Ok(policy),
        Some(_) => Err(Invalid::new(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        )),
    }
}

#[cfg(test)]
#[test]
fn policies() {
    let rows = [
        ("", "No"),
        ("no", "No"),
        ("always", "Always"),
        ("always:0", "Always"),
        ("unless-stopped", "UnlessStopped"),
        ("on-failure", "OnFailure { retries_max: None }"),
        ("on-failure:0", "OnFailure { retries_max: None }"),
        ("on-failure:5", "OnFailure { retries_max: Some(5) }"),
        ("on-failure:-1", "!`-1` is not a whole number"),
        ("on-failure:", "!`` is not a whole number"),
        ("always:1", "!invalid restart policy: maximum retry count can only be used with 'on-failure'"),
        ("sometimes", "!invalid restart policy: unknown policy 'sometimes'"),
    ];
    super::check::table(parse, &rows);
}
