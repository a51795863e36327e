//! Lists of numbers as the kernel writes them: `0-3,7`.

/// Reads a list of numbers below `end`; blanks around its parts do no harm.
pub(crate) fn numbers(text: &str, end: usize) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= end {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ranges() {
        assert_eq!(numbers("0-2, 7", 8), Some(vec![0, 1, 2, 7]));
        assert_eq!(numbers("", 8), Some(vec![]));
        for bad in ["8", "3-1", "x", "1-", "-1", "0-99999999999999999999"] {
            assert_eq!(numbers(bad, 8), None, "{bad}");
        }
    }
}
