//! `WWW-Authenticate` (RFC 9110, section 11.6.1). Pure.

/// One way to say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// A token of this service.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// Reads all challenges of all headers that we know how to meet; the best first.
pub(crate) fn parse_challenges(headers: &[&str]) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for header in headers {
        let mut rest = *header;
        while let Some((scheme, parameters, after)) = split(rest) {
            rest = after;
            let value = |name: &str| {
                let mut found = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("basic") {
                challenges.push(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = value("realm")
            {
                challenges.push(Challenge::Bearer {
                    realm,
                    service: value("service"),
                    scope: value("scope"),
                });
            }
        }
    }
    challenges.sort_by_key(|challenge| *challenge == Challenge::Basic);
    challenges
}

type Parameters = Vec<(String, String)>;

/// Takes one scheme and its parameters off the front.
fn split(text: &str) -> Option<(&str, Parameters, &str)> {
    let text = text.trim_start_matches([' ', ',', '\t']);
    let end = text.find([' ', ',']).unwrap_or(text.len());
    let (scheme, mut rest) = text.split_at(end);
    if scheme.is_empty() {
        return None;
    }
    let mut parameters = Vec::new();
    loop {
        let at = rest.trim_start_matches([' ', ',', '\t']);
        // `name=`; anything else begins the next challenge.
        let Some(equals) = at.find('=').filter(|equals| is_token(at[..*equals].trim_end())) else { break };
        let name = at[..equals].trim_end().to_owned();
        let (value, after) = value(at[equals + 1..].trim_start());
        parameters.push((name, value));
        rest = after;
    }
    Some((scheme, parameters, rest))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Takes a token or a quoted string off the front.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, letter) in quoted.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, &quoted[at + 1..]),
            letter => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
#[test]
fn challenges_are_read_as_registries_write_them() {
    let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
        realm: realm.to_owned(),
        service: service.map(str::to_owned),
        scope: scope.map(str::to_owned),
    };
    let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
    for (headers, expected) in [
        (
            vec![hub],
            vec![bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:a/b:pull,push"),
            )],
        ),
        (vec![r#"Basic realm="Registry \"x\", y""#], vec![Challenge::Basic]),
        (
            vec![r#"basic realm=x, bearer realm="https://t""#],
            vec![bearer("https://t", None, None), Challenge::Basic],
        ),
        (
            vec!["Basic realm=x", "Bearer realm = y , service=z"],
            vec![bearer("y", Some("z"), None), Challenge::Basic],
        ),
        (vec!["Bearer service=x", "Digest realm=y, nonce=z", ""], vec![]),
        (vec![r#"Bearer realm="unterminated"#], vec![bearer("unterminated", None, None)]),
    ] {
        assert_eq!(parse_challenges(&headers), expected, "{headers:?}");
    }
}
