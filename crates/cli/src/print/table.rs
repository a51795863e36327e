//! Columns as Go's tabwriter sets them for Docker: at least ten wide, three blanks apart.

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
    let width_of = |cell: &String| cell.chars().count() + PADDING;
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(column));
        cells.map(width_of).max().unwrap_or(0).max(width_min)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        for (cell, width) in row.iter().zip(&widths).take(row.len() - 1) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text.push_str(row.last().map_or("", String::as_str));
        text.push('\n');
    }
    text
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
}
