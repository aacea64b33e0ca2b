//! Tables for people: aligned, and no wider than the terminal.

use console::{measure_text_width, truncate_str};

use super::console::Style;

/// What stands between two columns.
const GAP: &str = "  ";
/// A column that has to make room keeps this much.
const LEAST: usize = 6;

/// A table. Columns that `may_shrink` make room where the terminal is narrow, the widest first.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column.
pub struct Column {
    title: &'static str,
    shrinks: bool,
    right: bool,
}

/// A cell, on one line.
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Column {
    /// Never cut: an id is of no use without its end.
    pub fn fixed(title: &'static str) -> Self {
        Self { title, shrinks: false, right: false }
    }

    /// Cut where there is no room.
    pub fn elastic(title: &'static str) -> Self {
        Self { title, shrinks: true, right: false }
    }

    /// Numbers, which stand to the right.
    pub fn number(title: &'static str) -> Self {
        Self { title, shrinks: false, right: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        // A line break would break the table, an escape sequence the terminal.
        Self { text: text.into().replace(char::is_control, " "), style: None }
    }
}

impl Cell {
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { style: Some(style), ..Self::from(text) }
    }
}

impl Table {
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, without the last line break. `width`: of the terminal, None for no limit.
    pub fn render(&self, width: Option<usize>, paint: impl Fn(Style, &str) -> String) -> String {
        let widths = self.widths(width);
        let titles: Vec<Cell> = self.columns.iter().map(|column| Cell::styled(column.title, Style::Bold)).collect();
        let lines: Vec<String> = std::iter::once(&titles).chain(&self.rows).map(|cells| self.line(cells, &widths, &paint)).collect();
        lines.join("\n")
    }

    fn line(&self, cells: &[Cell], widths: &[usize], paint: &impl Fn(Style, &str) -> String) -> String {
        let mut line = String::new();
        for (at, (cell, (column, width))) in cells.iter().zip(self.columns.iter().zip(widths)).enumerate() {
            if at > 0 {
                line.push_str(GAP);
            }
            let text = if measure_text_width(&cell.text) > *width { truncate_str(&cell.text, *width, "…") } else { cell.text.as_str().into() };
            let room = " ".repeat(width.saturating_sub(measure_text_width(&text)));
            let text = cell.style.map_or_else(|| text.to_string(), |style| paint(style, &text));
            if column.right {
                line.push_str(&room);
            }
            line.push_str(&text);
            if !column.right && at + 1 < cells.len() {
                line.push_str(&room);
            }
        }
        line.trim_end().to_owned()
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| measure_text_width(&cell.text));
                cells.chain([measure_text_width(column.title)]).max().unwrap_or(0)
            })
            .collect();
        let Some(limit) = limit else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let widest = (0..widths.len()).filter(|at| self.columns[*at].shrinks && widths[*at] > LEAST).max_by_key(|at| widths[*at]);
            // Nothing may be cut any more: better a long line than an id without its end.
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![Column::fixed("ID"), Column::elastic("NAME"), Column::number("SIZE")]);
        table.row(vec!["0190f3a2".into(), "a name that is long".into(), "7".into()]);
        table.row(vec!["0190f3a3".into(), "größe 模型".into(), "1234".into()]);
        table
    }

    fn plain(_: Style, text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let text = table().render(None, plain);
        assert_eq!(text, "ID        NAME                 SIZE\n0190f3a2  a name that is long     7\n0190f3a3  größe 模型           1234");
    }

    #[test]
    fn a_narrow_terminal_cuts_names_and_never_ids() {
        for width in [40, 30, 24, 10] {
            let text = table().render(Some(width), plain);
            assert!(text.contains("0190f3a2") && text.contains("0190f3a3"), "{text}");
            assert!(text.lines().all(|line| measure_text_width(line) <= width.max(26)), "{width}\n{text}");
        }
        assert!(table().render(Some(26), plain).contains('…'));
    }

    #[test]
    fn paint_changes_no_column() {
        let mut table = Table::new(vec![Column::fixed("STATE"), Column::fixed("X")]);
        table.row(vec![Cell::styled("ERROR\n", Style::Bad), "y".into()]);
        let painted = table.render(None, |_, text| format!("\x1b[31m{text}\x1b[0m"));
        assert_eq!(console::strip_ansi_codes(&painted), "STATE   X\nERROR   y");
    }
}
