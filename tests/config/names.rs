//! The targets of custom mappings, as `check` looks at them.

use crate::{NEEDED, PROGRAM, faults_of};
use selvedge::config;
use selvedge::secret::Secrets;
use std::path::Path;

/// The warnings about one target in one of the two mappings, with their help.
fn doubts(mapping: &str, name: &str) -> Vec<String> {
    let text = format!("{NEEDED}{PROGRAM}{mapping} = {{ \"{name}\" = \"a.b\" }}\n");
    let loaded = config::parse(&text, "test.toml", Path::new(""), Secrets::Required).unwrap();
    let about = loaded.warnings.iter().filter(|fault| fault.message.starts_with(&format!("`{name}`")));
    about.map(|fault| format!("{} ({})", fault.message, fault.help.as_deref().unwrap_or_default())).collect()
}

#[test]
fn a_target_that_impact_does_not_document_is_a_warning() {
    for (name, doubt) in [
        ("CustomerStaus", "is no parameter that impact.com documents (did you mean `CustomerStatus`?)"),
        ("customerstatus", "is no parameter that impact.com documents (did you mean `CustomerStatus`?)"),
        ("Zeta", "is no parameter that impact.com documents (it is sent all the same: see that your account has it)"),
        ("Text51", "is no parameter that impact.com documents (there are `Text1` to `Text50`)"),
        ("Text01", "is no parameter that impact.com documents (there are `Text1` to `Text50`)"),
        ("Money", "is no parameter that impact.com documents (there are `Money1` to `Money3`)"),
        (
            "ItemPrice",
            "does not say which item it is about (write the item's number, `ItemPrice1`, or map it for all items in `custom_mapping_for_products`)",
        ),
        (
            "ItemText_3",
            "does not say which item it is about (write the item's number, `ItemText1_3`, or map it for all items in `custom_mapping_for_products`)",
        ),
        (
            "ItemPrice0",
            "is no parameter that impact.com documents (it is sent all the same: see that your account has it)",
        ),
        ("Oid", "is another name of `OrderId` (map `OrderId` instead: both would go out)"),
    ] {
        assert_eq!(doubts("custom_parameter_mapping", name), [format!("`{name}` {doubt}")], "{name}");
    }
}

#[test]
fn a_target_that_is_no_parameter_of_an_item_is_a_warning() {
    for (name, doubt) in [
        ("ItemPrices", "is no parameter of an item that impact.com documents (did you mean `ItemPrice`?)"),
        (
            "ItemMoney_4",
            "is no parameter of an item that impact.com documents (there are `ItemMoney_1` to `ItemMoney_3`)",
        ),
        ("ItemPrice1", "has a number, and would get another one for each item (write `ItemPrice`)"),
        ("ItemText2_3", "has a number, and would get another one for each item (write `ItemText_3`)"),
        ("CustomerStatus", "is no parameter of an item (map it in `custom_parameter_mapping`)"),
        ("Text1", "is no parameter of an item (map it in `custom_parameter_mapping`)"),
        (
            "Zeta",
            "is no parameter of an item that impact.com documents (it is sent all the same: see that your account has it)",
        ),
    ] {
        assert_eq!(doubts("custom_mapping_for_products", name), [format!("`{name}` {doubt}")], "{name}");
    }
}

#[test]
fn documented_targets_are_no_warning() {
    for name in [
        "CustomerStatus",
        "AppleAdTrack",
        "PropertyId",
        "CustomClickId",
        "SubId3",
        "Text1",
        "Text50",
        "Numeric10",
        "Money3",
        "Date10",
    ] {
        assert!(doubts("custom_parameter_mapping", name).is_empty(), "{name}");
    }
    for name in ["ItemPrice1", "ItemSubTotal12", "ItemText1_50", "ItemMoney10_3"] {
        assert!(doubts("custom_parameter_mapping", name).is_empty(), "{name}");
    }
    for name in ["ItemPrice", "ItemSubTotal", "ItemMpn", "ItemText_50", "ItemDate_10"] {
        assert!(doubts("custom_mapping_for_products", name).is_empty(), "{name}");
    }
}

#[test]
fn the_warning_points_at_the_name() {
    let text = format!(
        "{NEEDED}{PROGRAM}[impact.program.custom_parameter_mapping]\nText1 = \"a\"\nZeta = \"properties.z\"\nAlpha = \"\"\n"
    );
    let faults = faults_of(&text);
    assert_eq!(
        faults[1..],
        [
            "12:1 warning `Zeta` is no parameter that impact.com documents",
            "13:1 warning `Alpha` is no parameter that impact.com documents"
        ],
        "{faults:?}"
    );
}

#[test]
fn a_target_without_a_name_is_refused_and_a_doubtful_path_a_warning() {
    let text = format!(
        "{NEEDED}{PROGRAM}custom_parameter_mapping = {{ \"\" = \"a.b\", Text1 = \"a || b\" }}\ncustom_mapping_for_products = {{ ItemBrand = \"x[y]\" }}\n"
    );
    let faults = faults_of(&text);
    let has = |what: &str| faults.iter().any(|fault| fault.contains(what));
    assert!(has("error a target of `custom_parameter_mapping` has no name"), "{faults:?}");
    assert!(has("warning `a || b` has alternatives"), "{faults:?}");
    assert!(has("warning `x[y]` has brackets without a number"), "{faults:?}");
}

#[test]
fn a_target_with_white_space_around_it_is_refused() {
    let text = format!("{NEEDED}{PROGRAM}custom_parameter_mapping = {{ \"CustomerEmail \" = \"traits.mail\" }}\n");
    let expected = "error `CustomerEmail ` begins or ends with white space";
    assert!(faults_of(&text).iter().any(|fault| fault.contains(expected)), "{:?}", faults_of(&text));
}

#[test]
fn an_address_that_would_go_out_plain_is_a_warning() {
    for (mapping, target, path, is_told) in [
        ("custom_parameter_mapping", "Text2", "properties.Email", true),
        ("custom_parameter_mapping", "CustomerId", "context.traits.email", true),
        ("custom_parameter_mapping", "CustomerId", "properties.emails[0]", false),
        ("custom_parameter_mapping", "customeremail", "properties.email", false),
        ("custom_parameter_mapping", "CustomerEmail", "properties.email", false),
        ("custom_parameter_mapping", "Text2", "properties.email.domain", false),
        ("custom_mapping_for_products", "ItemName", "recipientEmail", true),
    ] {
        let text = format!("{NEEDED}{PROGRAM}{mapping} = {{ {target} = \"{path}\" }}\n");
        let told = faults_of(&text).iter().any(|fault| fault.contains("an e-mail address goes out plain"));
        assert_eq!(told, is_told, "{target} = {path}: {:?}", faults_of(&text));
    }
}

#[test]
fn settings_that_keep_a_program_from_its_work_are_warnings() {
    let faults = |lines: &str, rest: &str| faults_of(&format!("{NEEDED}{PROGRAM}{lines}\n{rest}"));
    let unlisted = "event_type_ids = { \"Order Completed\" = 1, Signup = 2 }";
    let changes = "without `verdicts` and `event_type_id` no refund, cancellation or update can name its action";
    let (refunds, silent) = ("refund_event_names = [\"R\"]", "[delivery]\nverdicts = false\n");
    for (lines, rest, expected) in [
        (unlisted, "", Some("`Signup` does nothing here: it is none of `action_event_names`")),
        ("drop_properties = [\"event\"]", "", Some("without its `event` no track call is mapped")),
        ("drop_properties = [\"properties.event\"]", "", None),
        (refunds, silent, Some(changes)),
        (refunds, "", None),
        ("event_type_id = 7\nrefund_event_names = [\"R\"]", silent, None),
        ("", silent, None),
    ] {
        let told = faults(lines, rest);
        assert_eq!(told.len(), 1 + usize::from(expected.is_some()), "{lines} {rest}: {told:?}");
        assert!(told.iter().any(|fault| expected.is_none_or(|it| fault.ends_with(it))), "{lines} {rest}: {told:?}");
    }
}

#[test]
fn an_event_in_two_lists_is_a_warning_at_the_one_that_does_nothing() {
    let text = format!(
        "{NEEDED}{PROGRAM}refund_event_names = [\"Order Completed\", \"Back\"]\ncancel_event_names = [\"Back\"]\nupdate_event_names = [\"Other\"]\n"
    );
    let faults = faults_of(&text);
    let told: Vec<_> = faults.iter().filter(|fault| fault.contains("does nothing here")).collect();
    assert_eq!(told.len(), 2, "{faults:?}");
    assert!(told[0].contains("`Order Completed` does nothing here: `action_event_names` has it, too"), "{faults:?}");
    assert!(told[1].contains("`Back` does nothing here: `refund_event_names` has it, too"), "{faults:?}");
}
