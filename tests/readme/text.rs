//! The README as the checks read it.

/// A text in Markdown: its blocks, its tables, and its code spans outside of both.
pub(crate) struct Readme {
    pub(crate) blocks: Vec<Block>,
    /// The lines of the tables.
    pub(crate) rows: Vec<String>,
    /// What stands in code font in the prose.
    pub(crate) spans: Vec<String>,
    /// The prose, with single spaces between its words.
    pub(crate) prose: String,
}

/// A fenced block.
pub(crate) struct Block {
    pub(crate) language: String,
    /// Its lines, without the indentation of the fence.
    pub(crate) text: String,
    /// The paragraph's line before it.
    pub(crate) lead: String,
    /// The line of its opening fence.
    pub(crate) line: usize,
}

impl Readme {
    /// The one of this repository.
    pub(crate) fn own() -> Self {
        Self::read(include_str!("../../README.md"))
    }

    pub(crate) fn read(text: &str) -> Self {
        let mut readme = Self { blocks: Vec::new(), rows: Vec::new(), spans: Vec::new(), prose: String::new() };
        let (mut lines, mut lead) = (text.lines().enumerate(), String::new());
        let mut words: Vec<&str> = Vec::new();
        while let Some((index, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let inner = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
                let inner: Vec<&str> = inner.map(|line| line.get(indent..).unwrap_or_default()).collect();
                let (language, text) = (language.to_owned(), inner.join("\n"));
                readme.blocks.push(Block { language, text, lead: lead.clone(), line: index + 1 });
            } else if line.starts_with('|') {
                readme.rows.push(line.to_owned());
            } else {
                if !line.trim().is_empty() {
                    lead = line.to_owned();
                }
                words.extend(line.split_whitespace());
            }
        }
        readme.prose = words.join(" ");
        readme.spans = readme.prose.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        readme
    }

    /// Fails unless the prose says this.
    pub(crate) fn says(&self, words: &str) {
        assert!(self.prose.contains(words), "the program's own is {words:?}; the README says otherwise");
    }

    /// The prose between `start` and the next `end`.
    pub(crate) fn between(&self, start: &str, end: &str) -> &str {
        let (_, rest) = self.prose.split_once(start).unwrap_or_else(|| panic!("the README does not say {start:?}"));
        rest.split_once(end).unwrap().0
    }
}

/// What stands in code font in a part of the prose.
pub(crate) fn spans(prose: &str) -> Vec<&str> {
    prose.split('`').skip(1).step_by(2).collect()
}
