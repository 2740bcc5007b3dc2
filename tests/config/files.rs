//! The files in `config/`.

use selvedge::config;
use selvedge::secret::Secrets;
use std::path::Path;

const SHORTEST: &str = include_str!("../../config/selvedge.toml");
const REFERENCE: &str = include_str!("../../config/reference.toml");

#[test]
fn the_shortest_file_works() {
    let loaded = config::parse(SHORTEST, "selvedge.toml", Path::new(""), Secrets::Optional).unwrap();
    assert_eq!(loaded.config.sites.len(), 1);
    assert_eq!(loaded.config.impact.programs.len(), 1);
    assert!(loaded.config.impact.programs[0].api_key.is_none());
}

#[test]
fn the_reference_shows_the_defaults() {
    let optional = |text| config::parse(text, "x.toml", Path::new("etc"), Secrets::Optional).unwrap().config;
    assert_eq!(format!("{:#?}", optional(REFERENCE)), format!("{:#?}", optional(SHORTEST)));
}

/// Every section of the reference (examples included) is asked for a key that does not exist: the answer lists all
/// that the reader knows, and the reference must name exactly these.
#[test]
fn the_reference_names_every_setting() {
    let whole = REFERENCE.replace("#: ", "");
    config::parse(&whole, "x.toml", Path::new(""), Secrets::Optional).unwrap();
    let headers: Vec<&str> = whole.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(headers.len(), 12);
    for header in headers {
        let asked = whole.replacen(&format!("\n{header}\n"), &format!("\n{header}\nxyzzy = 1\n"), 1);
        let faults = config::parse(&asked, "x.toml", Path::new(""), Secrets::Optional).unwrap_err();
        let fault = faults.iter().find(|fault| fault.message.contains("`xyzzy` is unknown")).unwrap();
        let known = fault.help.as_deref().unwrap().strip_prefix("allowed here: ").unwrap().split(", ");
        let body = whole.split(&format!("\n{header}\n")).nth(1).unwrap();
        let named: Vec<&str> = body
            .lines()
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(" = ")?.0))
            .collect();
        for key in known.clone() {
            // Sections below this one stand on their own.
            assert!(
                named.contains(&key) || whole.contains(&format!(".{key}]]\n")),
                "{header} has `{key}`, the reference does not"
            );
        }
        assert!(named.iter().all(|key| known.clone().any(|known| known == *key)), "{header}");
    }
}

/// A date is no setting's type: in the place of any value it is one fault, exactly there.
#[test]
fn every_setting_refuses_a_value_of_another_type_at_its_place() {
    let whole = REFERENCE.replace("#: ", "");
    let mut settings = 0;
    for (index, line) in whole.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let mistyped: Vec<String> = whole
            .lines()
            .enumerate()
            .map(|(other, text)| if other == index { format!("{key} = 1979-05-27") } else { text.to_owned() })
            .collect();
        let faults = config::parse(&mistyped.join("\n"), "x.toml", Path::new(""), Secrets::Optional).unwrap_err();
        let place = format!("x.toml:{}:{}: error: `{key}` must be ", index + 1, key.len() + 4);
        assert!(faults.to_text().contains(&place), "{place}\n{faults}");
        assert!(faults.to_text().contains(", not a date\n"), "{faults}");
        settings += 1;
    }
    assert!(settings > 50, "{settings}");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read_and_stops_nothing() {
    let whole = REFERENCE.replace("#: ", "");
    for (end, _) in whole.char_indices() {
        match config::parse(&whole[..end], "x.toml", Path::new(""), Secrets::Optional) {
            Ok(loaded) => assert!(!loaded.warnings.has_errors()),
            Err(faults) => assert!(faults.has_errors(), "{end}"),
        }
    }
}
