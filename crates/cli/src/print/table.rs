//! Columns as Go's tabwriter sets them for Docker: at least ten wide, three blanks apart. What would break a row or speak to
//! the terminal is escaped: names and commands come from images and containers.

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Returns the head and the rows in columns; the last column is not filled up.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    columns_of(MIN_WIDTH, head, rows)
}

/// Returns columns as those of `top`, twenty wide at least.
pub(crate) fn wide_table(head: &[&str], rows: &[Vec<String>]) -> String {
    columns_of(2 * MIN_WIDTH, head, rows)
}

fn columns_of(width_min: usize, head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let shown = |row: &Vec<String>| row.iter().map(|cell| sys::one_line(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&rows).collect();
    let widths = widths(width_min, &lines);
    let mut text = String::new();
    for (line, widths) in lines.into_iter().zip(widths) {
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text.push_str(line.last().map_or("", String::as_str));
        text.push('\n');
    }
    text
}

/// Returns how wide the cells of each line are, but for the last. A column ends at a line that has no cell behind it.
fn widths(width_min: usize, lines: &[&Vec<String>]) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    let columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    for column in 0..columns {
        let has = |line: &usize| lines[*line].len() > column + 1;
        let mut line = 0;
        while line < lines.len() {
            let end = (line..lines.len()).find(|line| !has(line)).unwrap_or(lines.len());
            let cells = lines[line..end].iter().map(|cells| cells[column].chars().count() + PADDING);
            let width = cells.max().unwrap_or(0).max(width_min);
            widths[line..end].iter_mut().for_each(|widths| widths.push(width));
            line = end + 1;
        }
    }
    widths
}

#[cfg(test)]
#[test]
fn columns() {
    let rows = [vec!["busybox".to_owned(), "ä".to_owned(), String::new()]];
    assert_eq!(
        table(&["REPOSITORY", "TAG", "SIZE"], &rows),
        "REPOSITORY   TAG       SIZE\nbusybox      ä         \n"
    );
    assert_eq!(table(&["A"], &[]), "A\n");
    assert_eq!(table(&["A"], &[vec!["a\u{1b}[2J\nb".to_owned()]]), "A\na\\u{1b}[2J\\nb\n");
    let cells = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<_>>();
    let rows = ["a|b|c", "a long word alone", "a|b"].map(cells);
    assert_eq!(
        table(&["A", "B IS NO COLUMN HERE"], &rows),
        "A         B IS NO COLUMN HERE\na         b         c\na long word alone\na         b\n"
    );
}
