//! Values as text: as Go prints them, and by the pattern of `printf`.

use serde_json::{Number, Value};

use super::{Error, Result};
use crate::text::quoted_as_in_go;

/// How a key is printed that a map has not.
pub(super) const ABSENT: &str = "<no value>";

/// Returns a value as Go's `%v` has it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => show_number(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items, show),
        Value::Object(items) => {
            let pairs = items.iter().map(|(key, value)| format!("{key}:{}", show(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

/// Returns a value for an error message: short, and a text in quotes.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn list(items: &[Value], show: impl Fn(&Value) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
}

fn show_number(number: &Number) -> String {
    match number.as_f64() {
        Some(real) if number.is_f64() => shortest(real),
        _ => number.to_string(),
    }
}

/// Go writes large and very small numbers with an exponent of two digits at least.
fn shortest(real: f64) -> String {
    match real.abs() {
        0.0 => "0".to_owned(),
        1e-4..1e6 => real.to_string(),
        _ => exponent(&format!("{real:e}")),
    }
}

/// Turns `1e5` into `1e+05`.
fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Fills values into a pattern: `%v %s %q %d %t %T %x %X %o %b %c %f %e %g %%` with width, precision and the flags
/// `-`, `+`, `#`, blank and `0`.
pub(super) fn printf(pattern: &str, values: &[Value]) -> Result<String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut layout = Layout::default();
        while let Some(letter) =
            letters.next_if(|letter| matches!(letter, '-' | '+' | ' ' | '#' | '.' | '*' | '0'..='9'))
        {
            match letter {
                '*' => layout.take(values.next())?,
                letter => layout.read(letter),
            }
        }
        match letters.next() {
            Some('%') => out.push('%'),
            Some(verb) => {
                let value = values.next().ok_or_else(|| Error::new(format!("`%{verb}` has no value")))?;
                out.push_str(&layout.fill(&layout.verb(verb, value)?));
            }
            None => return Err(Error::new("the pattern ends with `%`")),
        }
    }
    match values.next() {
        None => Ok(out),
        Some(_) => Err(Error::new(format!("`{pattern}` has fewer places than values"))),
    }
}

/// No column is wider, and no number longer.
const SIZE_MAX: usize = 1_000;

/// What stands between `%` and its letter.
#[derive(Debug, Default, Clone, Copy)]
struct Layout {
    left: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Layout {
    fn read(&mut self, letter: char) {
        let append = |number: usize| {
            let digit = letter.to_digit(10).unwrap_or(0) as usize;
            number.saturating_mul(10).saturating_add(digit).min(SIZE_MAX)
        };
        match letter {
            '.' => self.precision = Some(0),
            '0'..='9' if self.precision.is_some() => self.precision = self.precision.map(append),
            '0' if self.width == 0 => self.zeros = true,
            '0'..='9' => self.width = append(self.width),
            '-' => self.left = true,
            '+' => self.plus = true,
            ' ' => self.blank = true,
            _ => self.alternate = true,
        }
    }

    /// Takes the width, or the precision, from a value.
    fn take(&mut self, value: Option<&Value>) -> Result<()> {
        let number = value.and_then(Value::as_i64).ok_or_else(|| Error::new("`%*` needs a whole number"))?;
        let size = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX).min(SIZE_MAX);
        match self.precision {
            Some(_) => self.precision = Some(size),
            None => (self.width, self.left) = (size, self.left || number < 0),
        }
        Ok(())
    }

    /// Fills up to the width; zeros stand behind a sign.
    fn fill(&self, text: &str) -> String {
        let width = self.width;
        let sign = text.strip_prefix(['-', '+']).map(|digits| text.split_at(text.len() - digits.len()));
        match sign {
            _ if self.left => format!("{text:<width$}"),
            Some((sign, digits)) if self.zeros => {
                format!("{sign}{digits:0>0$}", width.saturating_sub(sign.len()))
            }
            None if self.zeros => format!("{text:0>width$}"),
            _ => format!("{text:>width$}"),
        }
    }

    fn verb(&self, verb: char, value: &Value) -> Result<String> {
        if !"vTsqtxXobcdeEfFgG".contains(verb) {
            return Err(Error::new(format!("`printf` does not know `%{verb}`")));
        }
        let misfit = || Error::new(format!("`%{verb}` does not fit {}", quoted(value)));
        match (verb, value) {
            ('T', value) => Ok(type_of(value).to_owned()),
            ('v', Value::Number(number)) => Ok(self.signed(show_number(number))),
            ('v' | 's', value) => Ok(self.cut(show(value))),
            (_, Value::Array(items)) => {
                let items = items.iter().map(|item| self.verb(verb, item).map(Value::String));
                Ok(list(&items.collect::<Result<Vec<_>>>()?, show))
            }
            ('q', Value::String(text)) => Ok(quoted_as_in_go(&self.cut(text.clone()))),
            ('x', Value::String(text)) => Ok(self.bytes(text, |byte| format!("{byte:02x}"))),
            ('X', Value::String(text)) => Ok(self.bytes(text, |byte| format!("{byte:02X}"))),
            ('t', Value::Bool(yes)) => Ok(yes.to_string()),
            ('e' | 'f' | 'g' | 'E' | 'F' | 'G', Value::Number(number)) => {
                let real = number.as_f64().filter(|_| number.is_f64()).ok_or_else(misfit)?;
                Ok(self.signed(self.real(verb, real)))
            }
            (_, Value::Number(number)) => {
                let whole = i128::from(
                    number
                        .as_i64()
                        .or_else(|| number.as_u64().map(u64::cast_signed))
                        .filter(|_| !number.is_f64())
                        .ok_or_else(misfit)?,
                );
                Ok(self.signed(self.whole(verb, whole).ok_or_else(misfit)?))
            }
            _ => Err(misfit()),
        }
    }

    fn bytes(&self, text: &str, show: impl Fn(u8) -> String) -> String {
        let between = if self.blank { " " } else { "" };
        text.bytes().map(show).collect::<Vec<_>>().join(between)
    }

    fn real(&self, verb: char, real: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        match verb.to_ascii_lowercase() {
            'f' => format!("{real:.precision$}"),
            'e' => exponent(&format!("{real:.precision$e}")),
            _ => shortest(real),
        }
    }

    fn whole(&self, verb: char, whole: i128) -> Option<String> {
        let sign = if whole < 0 { "-" } else { "" };
        let size = whole.unsigned_abs();
        let mark = |mark: &'static str| if self.alternate { mark } else { "" };
        Some(match verb {
            'd' => whole.to_string(),
            'x' => format!("{sign}{}{size:x}", mark("0x")),
            'X' => format!("{sign}{}{size:X}", mark("0X")),
            'o' => format!("{sign}{}{size:o}", mark("0")),
            'b' => format!("{sign}{}{size:b}", mark("0b")),
            'c' => char::from_u32(u32::try_from(whole).ok()?)?.to_string(),
            _ => return None,
        })
    }

    fn signed(&self, text: String) -> String {
        match () {
            () if text.starts_with('-') => text,
            () if self.plus => format!("+{text}"),
            () if self.blank => format!(" {text}"),
            () => text,
        }
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(count) => text.chars().take(count).collect(),
            None => text,
        }
    }
}

/// Returns the type that such a value has in Go.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
