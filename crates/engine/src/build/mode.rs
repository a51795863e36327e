//! `--chmod`: octal digits, or the words of chmod(1).

/// Returns the mode that a file gets.
pub(super) fn apply(text: &str, mode: u32, is_directory: bool) -> u32 {
    if let Ok(bits) = u32::from_str_radix(text, 8) {
        return bits & 0o7777;
    }
    text.split(',').fold(mode, |mode, clause| apply_clause(clause, mode, is_directory))
}

/// One clause: `go-w`, `u=rwX`, `+x`.
fn apply_clause(clause: &str, mode: u32, is_directory: bool) -> u32 {
    let end = clause.find(['+', '-', '=']).unwrap_or(clause.len());
    let (who, mut actions) = clause.split_at(end);
    let who = if who.is_empty() || who.contains('a') { "ugo" } else { who };
    let mut mode = mode;
    while let Some(sign) = actions.chars().next() {
        let end = actions[1..].find(['+', '-', '=']).map_or(actions.len(), |at| at + 1);
        let bits = bits_of(&actions[1..end], who, mode, is_directory);
        match sign {
            '+' => mode |= bits,
            '-' => mode &= !bits,
            _ => mode = mode & !mask_of(who) | bits,
        }
        actions = &actions[end..];
    }
    mode
}

fn mask_of(who: &str) -> u32 {
    let of = |class: char| match class {
        'u' => 0o4700,
        'g' => 0o2070,
        _ => 0o1007,
    };
    who.chars().map(of).fold(0, |all, bits| all | bits)
}

fn bits_of(letters: &str, who: &str, mode: u32, is_directory: bool) -> u32 {
    let copied = |shift: u32| ((mode >> shift) & 7) * 0o111;
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if is_directory || mode & 0o111 != 0 => 0o111,
            's' => 0o6000,
            't' => 0o1000,
            'u' => copied(6),
            'g' => copied(3),
            'o' => copied(0),
            _ => 0,
        };
    }
    bits & mask_of(who)
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn modes() {
        for (text, mode, is_directory, expected) in [
            ("755", 0o644, false, 0o755),
            ("4755", 0o644, false, 0o4755),
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("a=r", 0o777, false, 0o444),
            ("g=u", 0o740, false, 0o770),
            ("u+s", 0o755, false, 0o4755),
            ("+t", 0o755, true, 0o1755),
            ("u+x-w", 0o644, false, 0o544),
        ] {
            assert_eq!(apply(text, mode, is_directory), expected, "{text} on {mode:o}");
        }
    }
}
