//! Links between the pages of the documentation lead somewhere.

/// Returns a fault for each relative link of a Markdown page whose file is not among `paths`.
pub fn check_links(page: &str, text: &str, paths: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line) {
            if !leads_somewhere(page, target, paths) {
                faults.push(format!("{page}:{}: the link to `{target}` leads nowhere", number + 1));
            }
        }
    }
    faults
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn leads_somewhere(page: &str, target: &str, paths: &[&str]) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let target = parts.join("/");
    paths.iter().any(|path| *path == target || path.starts_with(&format!("{target}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_from_their_page() {
        let paths = ["README.md", "docs/a.md", "docs/b.md", "crates/sys/src/lib.rs"];
        let text = "[b](b.md#part) [up](../README.md) [dir](../crates/sys/) [web](https://example.org) [here](#x)\n\
            ```\n[not a link](nowhere)\n```\n[bad](c.md)\n";
        assert_eq!(check_links("docs/a.md", text, &paths), ["docs/a.md:5: the link to `c.md` leads nowhere"]);
    }
}
