//! Choosing some of many: by flags, by a person, or because there is only one.

use super::Failure;
use crate::connect::one_line;
use crate::fault::nearest;
use std::io::{self, BufRead, IsTerminal};

/// What there is to choose from.
pub(super) struct Choice {
    /// What it is: `source`.
    pub(super) what: &'static str,
    /// The line above them.
    pub(super) head: String,
    /// The flag that chooses.
    pub(super) flag: &'static str,
    /// One line for each.
    pub(super) lines: Vec<String>,
    /// What each can be called by, the best first.
    pub(super) names: Vec<Vec<String>>,
    /// Those that are probably meant.
    pub(super) preset: Vec<usize>,
}

impl Choice {
    /// The chosen ones, by their numbers from 0.
    pub(super) fn make(&self, named: &[String]) -> Result<Vec<usize>, Failure> {
        match self.lines.len() {
            0 => return Err(Failure::Failed(format!("there is no {} to choose", self.what))),
            1 if named.is_empty() => return Ok(vec![0]),
            _ => {}
        }
        if !named.is_empty() {
            let mut chosen = named.iter().map(|name| self.find(name)).collect::<Result<Vec<usize>, _>>()?;
            chosen.sort_unstable();
            chosen.dedup();
            return Ok(chosen);
        }
        if io::stdin().is_terminal() {
            return self.ask();
        }
        if self.preset.is_empty() {
            return Err(Failure::Usage(format!("choose with {}:\n{}", self.flag, self.menu())));
        }
        Ok(self.preset.clone())
    }

    fn find(&self, name: &str) -> Result<usize, Failure> {
        let called = |names: &Vec<String>| names.iter().any(|one| one == name);
        let found: Vec<usize> =
            self.names.iter().enumerate().filter(|(_, names)| called(names)).map(|(at, _)| at).collect();
        let near = nearest(name, self.names.iter().flatten().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{}`?", one_line(near))).unwrap_or_default();
        match found[..] {
            [one] => Ok(one),
            [] => Err(Failure::Usage(format!("there is no {} `{name}`{near}\n{}", self.what, self.menu()))),
            _ => Err(Failure::Usage(format!("several are called `{name}`:\n{}", self.menu()))),
        }
    }

    /// Asks a person until the answer is one.
    fn ask(&self) -> Result<Vec<usize>, Failure> {
        super::super::say(&format!("{}\n{}\n", one_line(&self.head), self.menu()));
        let preset: Vec<String> = self.preset.iter().map(|at| (at + 1).to_string()).collect();
        let default = if preset.is_empty() { String::new() } else { format!(" [{}]", preset.join(", ")) };
        loop {
            let answer = ask(&format!("Which? Numbers, with commas between them{default}: "))?;
            if answer.is_empty() && !self.preset.is_empty() {
                return Ok(self.preset.clone());
            }
            match numbers(&answer, self.lines.len()) {
                Ok(chosen) => return Ok(chosen),
                Err(why) => super::super::say(&format!("{why}\n")),
            }
        }
    }

    fn menu(&self) -> String {
        let lines = self.lines.iter().enumerate().map(|(at, line)| format!("{:>4}  {}", at + 1, one_line(line)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Asks a person for a line.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    super::super::say(question);
    let mut said = String::new();
    if io::stdin().lock().read_line(&mut said)? == 0 {
        return Err(Failure::Usage("nothing was said, and nothing is written".to_owned()));
    }
    Ok(said.trim().to_owned())
}

/// `1, 3` of so many, counted from 0.
fn numbers(answer: &str, count: usize) -> Result<Vec<usize>, String> {
    let one = |word: &str| match word.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
        _ => Err(format!("`{}` is not a number from 1 to {count}", one_line(word))),
    };
    let words = answer.split([',', ' ']).filter(|word| !word.is_empty());
    let mut chosen = words.map(one).collect::<Result<Vec<usize>, _>>()?;
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() { Err(format!("choose at least one, from 1 to {count}")) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_chosen_once_and_in_range() {
        assert_eq!(numbers(" 3,1, 1 ", 3), Ok(vec![0, 2]));
        for (answer, why) in [("", "at least one"), ("0", "`0`"), ("4", "`4`"), ("1,x", "`x`"), ("-1", "`-1`")] {
            assert!(numbers(answer, 3).unwrap_err().contains(why), "{answer}");
        }
    }
}
