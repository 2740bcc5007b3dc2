//! A person at a terminal: secrets are typed and not shown, and choices are made by number.

use crate::harness::{PATIENCE, soon};
use crate::workspace::TOKEN as SEGMENT_TOKEN;
use crate::{Desk, SID, TOKEN};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use tokio::sync::mpsc;

/// The program on a terminal of its own, which util-linux's `script` gives it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: mpsc::UnboundedReceiver<Vec<u8>>,
    shown: String,
    read: usize,
}

impl Terminal {
    /// `None`: there is no `script` here.
    fn start(desk: &Desk, more: &[&str]) -> Option<Self> {
        let line = [vec![env!("CARGO_BIN_EXE_selvedge").to_owned()], desk.arguments(more)].concat().join(" ");
        let mut command = Command::new("script");
        for name in ["SEGMENT_PUBLIC_API_TOKEN", "IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN"] {
            command.env_remove(name);
        }
        command.args(["-qefc", &line, "/dev/null"]).current_dir(desk.folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (tell, screen) = mpsc::unbounded_channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                if tell.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        Some(Self { child, keys, screen, shown: String::new(), read: 0 })
    }

    /// Waits until the screen shows this, and types an answer.
    async fn answer(&mut self, question: &str, answer: &str) {
        self.see(question).await;
        self.keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }

    async fn see(&mut self, wanted: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.read..].find(wanted) {
                self.read += at + wanted.len();
                return;
            }
            match tokio::time::timeout_at(deadline, self.screen.recv()).await {
                Ok(Some(bytes)) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                _ => panic!("the screen does not show {wanted:?}:\n{}", self.shown),
            }
        }
    }

    async fn end(&mut self) -> i32 {
        soon("the end of the program", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code().unwrap();
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_person_is_asked_for_what_is_missing() {
    let desk = Desk::new().await;
    desk.impact.program("2000", "Acme CA", "ACTIVE", "im_ref={clickid}");
    desk.segment.destination("app", serde_json::json!({"campaignId": "2000"}));
    let Some(mut terminal) = Terminal::start(&desk, &[]) else {
        eprintln!("SKIPPED: there is no `script` (util-linux) to give the program a terminal");
        return;
    };
    terminal.answer("Token of Segment's Public API: ", SEGMENT_TOKEN).await;
    terminal.answer("Account SID of impact.com: ", SID).await;
    terminal.answer("Auth Token of impact.com: ", TOKEN).await;
    terminal.see("Sources of the workspace Acme").await;
    terminal.see("3  app  The app  write key APPKEY").await;
    terminal.answer("Which? Numbers, with commas between them: ", "4").await;
    terminal.see("`4` is not a number from 1 to 3").await;
    terminal.answer("Which? Numbers, with commas between them: ", "1, 3").await;
    terminal.see("Active programs of the account").await;
    // The one of Segment's destination is proposed, and taken by Enter.
    terminal.answer("Which? Numbers, with commas between them [2]: ", "").await;
    terminal.answer("The site's own server [http://127.0.0.1:3000]: ", "localhost:4000").await;
    terminal.see("must start with http://").await;
    terminal.answer("The site's own server [http://127.0.0.1:3000]: ", "http://localhost:4000").await;
    terminal.see("selvedge.toml: written; it has 2 sources and 1 program now").await;
    assert_eq!(terminal.end().await, 0);
    let shown = &terminal.shown;
    assert!(!shown.contains(SEGMENT_TOKEN) && !shown.contains(TOKEN), "a secret is shown:\n{shown}");
    let text = desk.written();
    for part in [
        "\"WEBKEY\"",
        "\"APPKEY\"",
        "campaign_id = \"2000\"",
        "origin = \"http://localhost:4000\"",
        "{ env = \"IMPACT_AUTH_TOKEN\" }",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains(TOKEN) && !text.contains(SEGMENT_TOKEN));
    desk.check().await;
}

#[tokio::test]
async fn ctrl_c_at_a_hidden_question_ends_it_and_leaves_the_terminal_as_it_was() {
    let desk = Desk::new().await;
    // The shell behind the program shows what the terminal is like afterwards.
    let Some(mut terminal) = Terminal::start(&desk, &["; echo ended with $?; stty -a"]) else { return };
    terminal.see("Token of Segment's Public API: ").await;
    terminal.keys.write_all(b"half a tok\x03").unwrap();
    terminal.see("interrupted, and nothing is written").await;
    terminal.see("ended with 1").await;
    terminal.see("isig").await;
    terminal.see(" echo ").await;
    assert_eq!(terminal.end().await, 0);
    assert!(!terminal.shown.contains("half a tok") && !terminal.shown.contains("-isig"), "{}", terminal.shown);
}
