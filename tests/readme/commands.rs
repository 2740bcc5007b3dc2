//! The commands, run as they are shown.

use crate::first_screen::{click, customer};
use crate::harness::Running;
use crate::text::{Readme, spans};
use crate::town::Town;
use crate::{Part, connect, split};
use std::path::Path;
use std::process::{Command, Output};

/// What runs the program from its sources.
const FROM_SOURCES: &str = "cargo run --release -- ";

/// Cargo's own commands that the prose names; this test is proof enough that the package can be built.
const CARGO: [&str; 3] = ["cargo install --locked --path .", "cargo test", "cargo doc --open"];

/// Whether a check runs this code span.
pub(crate) fn is_tried(span: &str) -> bool {
    CARGO.contains(&span)
        || span.starts_with("selvedge ") && (span == RUN || span == connect::CHECK || expected(span).is_some())
}

/// How every [`Town`] is run.
pub(crate) const RUN: &str = "selvedge run --config selvedge.toml";

/// What a command of the prose says at the end of the first screen's story; `None`: it is not known here.
fn expected(command: &str) -> Option<String> {
    let said = match command {
        "selvedge check --config selvedge.toml" => "selvedge.toml: fine\n".to_owned(),
        "selvedge explain --config selvedge.toml events.ndjson" => {
            "A-1  ← properties.order_id  (row: properties.orderId ".to_owned()
        }
        "selvedge deliveries list" => "1   delivered  us       conversions  Order Completed  A-1    linked".to_owned(),
        "selvedge deliveries list --verdict refused" => "ID  STATE  PROGRAM".to_owned(),
        "selvedge deliveries count" => "us       pending  -       1\n".to_owned(),
        "selvedge envelopes list" => "ID  STATE  PATH  TRIES  ARRIVAL  REASON\n".to_owned(),
        "selvedge deliveries show 1" => format!("  ClickId = {}\n", click()),
        "selvedge person show --user-id customer-1001" => {
            "1  delivered  us  conversions  Order Completed  A-1\n".to_owned()
        }
        "selvedge links get user customer-1001" => format!("a call with only this id gets  {} of ", click()),
        _ => return None,
    };
    Some(said)
}

fn selvedge(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.args(arguments).current_dir(folder).env_remove("IMPACT_AUTH_TOKEN").output().unwrap()
}

/// The words of a command line, quotes undone.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// Runs every command of the prose, the same on a running node and on a stopped one.
fn run_all(folder: &Path) {
    let readme = Readme::own();
    let commands = readme.spans.iter().filter_map(|span| Some((span, expected(span)?)));
    for (command, said) in commands {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let output = selvedge(&words, folder);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && text.contains(&said), "{command} does not say {said:?} but\n{text}");
    }
}

#[tokio::test]
async fn the_commands_of_the_prose_do_what_it_says() {
    let mut town = Town::build().await;
    town.visit().await;
    town.order().await;
    let recorded = Part::Sent.block().replacen('{', "{\"type\":\"track\",", 1);
    std::fs::write(town.folder.path().join("events.ndjson"), recorded + "\n").unwrap();
    town.delivered().await;
    run_all(town.folder.path());

    let without_links = selvedge(&["explain", "events.ndjson"], town.folder.path());
    assert!(String::from_utf8_lossy(&without_links.stdout).contains("(--with-store looks links up)"));

    assert_eq!(town.node.end_by("-TERM").await.code(), Some(0));
    let log = town.node.line("that it stops", |line| line.contains("stopping: ")).await;
    assert!(!log.contains('\x1b'), "colours where there is no terminal: {log:?}");
    Readme::own()
        .says("SIGTERM stops accepting, lets requests finish within `grace` (30 s), commits, and exits with 0.");
    run_all(town.folder.path());
    let with_links = selvedge(&["explain", "--with-store", "events.ndjson"], town.folder.path());
    let text = String::from_utf8_lossy(&with_links.stdout).into_owned();
    assert!(text.contains(&format!("ClickId                    {}  ← ", click())), "{text}");
    for param in Part::AtImpact.block().split('&') {
        assert!(text.contains(param.split('=').next().unwrap()), "{param}\n{text}");
    }
}

#[tokio::test]
async fn the_lines_of_the_blocks_run() {
    for line in Part::Commands.blocks().iter().flat_map(|block| block.lines()) {
        let line = line.split("  #").next().unwrap().trim();
        if let Some(arguments) = line.strip_prefix(FROM_SOURCES) {
            demo(&arguments.split(' ').collect::<Vec<_>>()).await;
        } else if line == "selvedge bench --self" {
            measure();
        } else if let Some(arguments) = line.strip_prefix("selvedge ") {
            connect::try_out(&arguments.split(' ').collect::<Vec<_>>()).await;
        } else if line.starts_with("curl ") {
            land(&words(line)).await;
        } else if line.starts_with("echo ") {
            split::judge(line);
        } else {
            panic!("no check runs {line:?}");
        }
    }
}

/// What a build says that it costs has the lines and titles that are shown; its figures are its own.
fn measure() {
    let output = selvedge(&["bench", "--self", "--duration", "1500ms"], Path::new("/tmp"));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let titles = |text: &str| -> Vec<String> {
        let lines = text.lines().take_while(|line| !line.starts_with("warning") && !line.starts_with("on "));
        // A row begins with its workload; a sentence and the titles are the same for all.
        let named = lines.map(|line| {
            match line.chars().any(|c| c.is_ascii_digit() && !line.contains("95 %") && !line.contains("P50")) {
                true => line.split(' ').next().unwrap().to_owned(),
                false => line.split_whitespace().collect::<Vec<_>>().join(" "),
            }
        });
        named.filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(titles(&told), titles(&Part::Cost.block()), "{told}");
}

/// A demo that plays by itself ends by itself; the other one prints its links, and waits.
async fn demo(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    match arguments {
        ["demo", "--script"] => {
            let output = selvedge(arguments, folder.path());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        ["demo"] => {
            let mut demo = Running::start(arguments, folder.path());
            demo.line("the links to open", |line| line.starts_with("Open  http://")).await;
            assert_eq!(demo.end_by("-INT").await.code(), Some(0));
        }
        other => panic!("no check runs the program with {other:?}"),
    }
}

/// The landing by curl, at the node of the README's configuration.
async fn land(words: &[String]) {
    let [_, show, field, header, url] = words else { panic!("no check runs {words:?}") };
    assert_eq!((show.as_str(), field.as_str()), ("-i", "-H"));
    let target = url.strip_prefix("http://127.0.0.1:8080").unwrap();
    let town = Town::build().await;
    let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\n{header}");
    let landed = town.send(&head, "").await;
    Readme::own().says("A landing gets two cookies now");
    assert_eq!(landed.fields("set-cookie").len(), 2, "{landed:?}");
}

#[test]
fn actions_that_are_named_beside_a_command_are_its_actions() {
    let readme = Readme::own();
    let help = |command| String::from_utf8(selvedge(&[command, "--help"], Path::new("/")).stdout).unwrap();
    let bullet = readme.between("* **Deliveries**:", "They go through a running node");
    let (deliveries, rest) = bullet.split_once("**Envelopes**").unwrap();
    let (envelopes, links) = rest.split_once("**Links**").unwrap();
    let person = readme.between("* **A person's data**:", "removes");
    for (command, named) in [("deliveries", deliveries), ("envelopes", envelopes), ("links", links), ("person", person)]
    {
        for action in spans(named).into_iter().map(|span| span.split(' ').nth(2).unwrap_or(span)) {
            assert!(help(command).contains(&format!("\n  {action} ")), "{command} {action}");
        }
    }
    assert!(spans(links).iter().any(|span| span.ends_with(&customer())));
}

#[test]
fn exit_codes_are_as_the_readme_tells() {
    Readme::own().says("**Exit codes**: 0 fine, 1 failed while running, 2 usage or configuration.");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("selvedge.toml"), Part::Settings.block()).unwrap();
    for (arguments, code) in [
        (&["check"][..], 0),
        (&["deliveries", "list"], 1),
        (&["check", "--config", "absent.toml"], 2),
        (&["fly"], 2),
        // The variable of the token is not set.
        (&["run"], 2),
    ] {
        assert_eq!(selvedge(arguments, folder.path()).status.code(), Some(code), "{arguments:?}");
    }
}
