//! How far the log of one container has been read. Pure.
//!
//! A connection may be cut anywhere. The next one asks for what was printed since the second of the last whole line, and drops all up to that line: lines come
//! in the order of the kubelet's file, always. Where that line does not come again, the kubelet has rotated its file meanwhile.

use jiff::{SignedDuration, Timestamp};

use super::line::Line;

/// A line longer than this comes in pieces.
const LONGEST: usize = 1024 * 1024;
/// Lines of standard output and standard error may stand in another order than their times, by no more than this.
const DISORDER: SignedDuration = SignedDuration::from_secs(2);

/// What is found.
#[derive(Debug, PartialEq)]
pub enum Found {
    Line(Line),
    /// Lines before the next one are not in the kubelet's file any more.
    Lost,
}

/// The place in one container's log.
#[derive(Debug, Default, Clone)]
pub struct Cursor {
    /// The last line, and how often it came just like that.
    last: Option<(Line, usize)>,
    /// The beginning of a line.
    rest: Vec<u8>,
    /// After a new connection: what came before the last line was found again, and how often that came.
    searching: Option<(Vec<Line>, usize)>,
}

impl Cursor {
    /// From when on a new connection has to give what was printed. Whole seconds, by the API.
    pub fn since(&self) -> Option<Timestamp> {
        let (line, _) = self.last.as_ref()?;
        Timestamp::from_second(line.time.as_duration().as_secs()).ok()
    }

    /// A new connection begins: it gives what comes after [`Cursor::since`].
    pub fn connect(&mut self) {
        self.rest.clear();
        self.searching = self.last.is_some().then(|| (Vec::new(), 0));
    }

    /// Takes what came. Gives what is new, whole lines only.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Found> {
        self.rest.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = self.read(begin, begin + length);
            begin += length + 1;
            self.see(line, &mut found);
        }
        self.rest.drain(..begin);
        if self.rest.len() > LONGEST {
            let line = self.read(0, self.rest.len());
            self.rest.clear();
            self.see(line, &mut found);
        }
        found
    }

    /// All that the container will ever print has come. Gives what is left of it.
    pub fn end(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        if !self.rest.is_empty() {
            let line = self.read(0, self.rest.len());
            self.rest.clear();
            self.see(line, &mut found);
        }
        // Where nothing came at all, the file may be as it was before, or empty.
        if self.searching.as_ref().is_some_and(|(before, times)| !before.is_empty() || *times > 0) {
            self.give_up_searching(&mut found);
        }
        found
    }

    fn read(&self, from: usize, to: usize) -> Line {
        let bytes = &self.rest[from..to];
        // What remains of a line that came in pieces has no time.
        Line::read(bytes).unwrap_or_else(|| Line { time: self.last.as_ref().map_or(Timestamp::UNIX_EPOCH, |(line, _)| line.time), text: bytes.to_vec() })
    }

    fn see(&mut self, line: Line, found: &mut Vec<Found>) {
        let Some((before, times)) = &mut self.searching else { return self.keep(line, found) };
        let Some((last, of)) = &self.last else { return self.keep(line, found) };
        if line == *last {
            *times += 1;
            if *times == *of {
                self.searching = None;
            }
        } else if line.time.duration_since(last.time) > DISORDER {
            self.give_up_searching(found);
            self.keep(line, found);
        } else {
            before.push(line);
        }
    }

    /// The last line is not in the file any more: what is later than it is new.
    fn give_up_searching(&mut self, found: &mut Vec<Found>) {
        let (Some((before, times)), Some((last, _))) = (self.searching.take(), &self.last) else { return };
        let time = last.time;
        if times == 0 {
            found.push(Found::Lost);
        }
        for line in before.into_iter().filter(|line| line.time > time) {
            self.keep(line, found);
        }
    }

    fn keep(&mut self, line: Line, found: &mut Vec<Found>) {
        match &mut self.last {
            Some((last, times)) if *last == line => *times += 1,
            last => *last = Some((line.clone(), 1)),
        }
        found.push(Found::Line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(f64, &str)]) -> Vec<u8> {
        lines
            .iter()
            .flat_map(|(second, text)| {
                let time = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs_f64(*second)).expect("a time");
                format!("{time} {text}\n").into_bytes()
            })
            .collect()
    }

    fn texts(found: &[Found]) -> Vec<String> {
        found.iter().map(|found| if let Found::Line(line) = found { String::from_utf8_lossy(&line.text).into_owned() } else { "LOST".into() }).collect()
    }

    /// What a new connection gives: all since the second of the last line.
    fn again(cursor: &mut Cursor, whole: &[(f64, &str)]) -> Vec<String> {
        let since = cursor.since().map_or(0.0, |since| since.as_duration().as_secs_f64());
        cursor.connect();
        let part: Vec<(f64, &str)> = whole.iter().copied().filter(|(second, _)| *second >= since).collect();
        let mut found = cursor.take(&log(&part));
        found.extend(cursor.end());
        texts(&found)
    }

    #[test]
    fn a_log_that_is_cut_anywhere_comes_without_gap_or_repeat() {
        // Equal lines, a second of many lines, and two that stand in another order than their times.
        let whole = [(0.0, "a"), (1.1, "same"), (1.1, "same"), (1.1, "same"), (1.3, "err"), (1.2, "out"), (1.9, "b"), (2.0, "c"), (2.0, ""), (5.0, "d")];
        let bytes = log(&whole);
        let expected: Vec<String> = whole.iter().map(|(_, text)| (*text).to_owned()).collect();
        for cut in 0..=bytes.len() {
            let mut cursor = Cursor::default();
            cursor.connect();
            let mut came = texts(&cursor.take(&bytes[..cut]));
            came.extend(again(&mut cursor, &whole));
            assert_eq!(came, expected, "cut at {cut}");
        }
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let whole = [(0.0, "one"), (0.5, "two")];
        let bytes = log(&whole);
        for cut in 0..=bytes.len() {
            let mut cursor = Cursor::default();
            cursor.connect();
            let mut found = cursor.take(&bytes[..cut]);
            found.extend(cursor.take(&bytes[cut..]));
            assert_eq!(texts(&found), ["one", "two"]);
            assert_eq!(cursor.end(), []);
        }
    }

    #[test]
    fn what_was_rotated_away_is_said() {
        let mut cursor = Cursor::default();
        cursor.connect();
        assert_eq!(texts(&cursor.take(&log(&[(0.0, "a"), (1.0, "b")]))), ["a", "b"]);
        // The kubelet has begun a new file: what stands in it is later.
        assert_eq!(again(&mut cursor, &[(7.0, "x"), (7.1, "y")]), ["LOST", "x", "y"]);
        assert_eq!(again(&mut cursor, &[(7.0, "x"), (7.1, "y")]), [""; 0]);
        // A connection that gives nothing says nothing.
        assert_eq!(again(&mut cursor, &[]), [""; 0]);
    }

    #[test]
    fn the_last_line_may_have_no_end_and_a_long_one_comes_in_pieces() {
        let mut cursor = Cursor::default();
        cursor.connect();
        let whole = log(&[(0.0, "no end")]);
        assert_eq!(cursor.take(&whole[..whole.len() - 1]), []);
        assert_eq!(texts(&cursor.end()), ["no end"]);

        let long = "x".repeat(3 * LONGEST / 2);
        let mut cursor = Cursor::default();
        cursor.connect();
        let mut found = Vec::new();
        for piece in log(&[(0.0, &long), (1.0, "next")]).chunks(LONGEST / 3) {
            found.extend(cursor.take(piece));
        }
        let came = texts(&found);
        assert_eq!(came.last().map(String::as_str), Some("next"));
        assert_eq!(came[..came.len() - 1].concat(), long);
    }
}
