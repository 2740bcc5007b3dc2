//! What Segment's own impact.com destination does, as settings of a program.

use super::one_line;
pub use super::write::Written;
use crate::filter::{self, Path};
use crate::segment::public_api::{Action, Destination, Filter};
use serde_json::Value;

/// The settings of a destination and its filters, as far as they have a place in a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The campaign; `None`: the destination has none.
    pub campaign_id: Option<String>,
    /// The account; `None`: the destination has none.
    pub account_sid: Option<String>,
    /// Settings of the program, in the order of the reference.
    pub settings: Vec<(&'static str, Written)>,
    /// What has no place, each with its reason.
    pub left_out: Vec<String>,
}

/// What kind of value a setting has.
#[derive(Clone, Copy)]
enum Shape {
    Flag,
    Text,
    List,
    Table,
}

/// The destination's settings under the guide's names, in the order of the reference.
const SETTINGS: [(&str, &str, Shape); 11] = [
    ("enablePageEvents", "enable_page_events", Shape::Flag),
    ("enableScreenEvents", "enable_screen_events", Shape::Flag),
    ("enableIdentifyEvents", "enable_identify_events", Shape::Flag),
    ("iOsAppId", "ios_app_id", Shape::Text),
    ("androidAppId", "android_app_id", Shape::Text),
    ("eventTypeId", "event_type_id", Shape::Text),
    ("actionEventNames", "action_event_names", Shape::List),
    ("installEventNames", "install_event_names", Shape::List),
    ("pageLoadEventNames", "page_load_event_names", Shape::List),
    ("customParameterMapping", "custom_parameter_mapping", Shape::Table),
    ("customMappingForProducts", "custom_mapping_for_products", Shape::Table),
];

/// Settings that are found elsewhere: the account's are asked for, and Segment masks secrets.
const ELSEWHERE: [&str; 3] = ["accountSid", "apiKey", "campaignId"];

/// What takes every call.
const ALL: &str = "all";

/// What takes no call.
const NOTHING: &str = "false";

/// Reads a destination and its filters.
pub fn import(destination: &Destination, filters: &[Filter]) -> Import {
    let settings = &destination.settings;
    let mut import = Import {
        campaign_id: settings.get("campaignId").and_then(text),
        account_sid: settings.get("accountSid").and_then(text),
        ..Import::default()
    };
    for (theirs, ours, shape) in SETTINGS {
        let Some(value) = settings.get(theirs).filter(|value| !is_blank(value)) else { continue };
        match written(value, shape) {
            Some(value) => import.settings.push((ours, value)),
            None => import.left_out.push(format!("the setting `{theirs}`: {value} is not what the guide calls for")),
        }
    }
    let known = |name: &str| ELSEWHERE.contains(&name) || SETTINGS.iter().any(|(theirs, ..)| *theirs == name);
    for (name, value) in settings.iter().filter(|(name, value)| !known(name) && !is_blank(value)) {
        import.left_out.push(format!("the setting `{name}` = {value}: the guide has none of this name"));
    }
    Rules::default().read(filters, &mut import);
    import
}

/// Segment's defaults, and what somebody emptied.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Text on one line, or a number that somebody wrote without quotes.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty() && *text == one_line(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn written(value: &Value, shape: Shape) -> Option<Written> {
    match shape {
        Shape::Flag => value.as_bool().map(Written::Flag),
        Shape::Text => text(value).map(Written::Text),
        Shape::List => value.as_array()?.iter().map(text).collect::<Option<_>>().map(Written::List),
        Shape::Table => {
            let pairs = value.as_object()?.iter().map(|(name, path)| Some((name.clone(), text(path)?)));
            pairs.collect::<Option<_>>().map(Written::Table)
        }
    }
}

/// The filters of a destination, joined: a call must pass each.
#[derive(Default)]
struct Rules {
    /// What must hold, each a whole expression.
    conditions: Vec<String>,
    sample: Option<(f64, Option<String>)>,
    dropped: Vec<String>,
}

impl Rules {
    fn read(mut self, filters: &[Filter], import: &mut Import) {
        for filter in filters {
            let title = format!("the filter \"{}\" ({})", filter.title, filter.condition.trim());
            if !filter.enabled {
                import.left_out.push(format!("{title}: it is switched off"));
                continue;
            }
            for action in &filter.actions {
                if let Err(why) = self.add(filter.condition.trim(), action) {
                    import.left_out.push(format!("{title}, {}: {why}", action.kind));
                }
            }
        }
        let filter = match &self.conditions[..] {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(several.iter().map(|one| grouped(one)).collect::<Vec<_>>().join(" and ")),
        };
        import.settings.extend(filter.map(|filter| ("filter", Written::Text(filter))));
        if let Some((share, by)) = self.sample {
            import.settings.push(("sample", Written::Share(share)));
            import.settings.extend(by.map(|by| ("sample_by", Written::Text(by))));
        }
        if !self.dropped.is_empty() {
            import.settings.push(("drop_properties", Written::List(self.dropped)));
        }
    }

    /// Takes one action over, or says why it has no place.
    fn add(&mut self, condition: &str, action: &Action) -> Result<(), String> {
        match action.kind.as_str() {
            "DROP" => self.drop_calls(condition),
            _ if condition != ALL => {
                Err("a program does this to all of its calls or to none; give these a program of \
                                          their own, by `filter`"
                    .to_owned())
            }
            "SAMPLE" => self.sample(action),
            "DROP_PROPERTIES" => self.drop_properties(action),
            "ALLOW_PROPERTIES" => Err("a program can only name what is dropped: see `drop_properties`".to_owned()),
            _ => Err("it is not known here".to_owned()),
        }
    }

    fn drop_calls(&mut self, condition: &str) -> Result<(), String> {
        if condition == ALL {
            self.conditions.push(NOTHING.to_owned());
            return Ok(());
        }
        let taken = inverted(condition);
        if let Some(fault) = [condition, &taken].iter().find_map(|text| filter::Filter::parse(text).err()) {
            // Nobody can tell what it keeps away. Nothing is taken, and so Segment's destination stays on for all of it.
            self.conditions = vec![NOTHING.to_owned()];
            return Err(format!("{}; until its `filter` says what is meant, the program takes no call", fault.message));
        }
        if !self.is_closed() {
            self.conditions.push(taken);
        }
        Ok(())
    }

    /// Whether no call passes already.
    fn is_closed(&self) -> bool {
        self.conditions.iter().any(|condition| condition == NOTHING)
    }

    fn sample(&mut self, action: &Action) -> Result<(), String> {
        let share = action.percent.filter(|share| (0.0..=1.0).contains(share)).ok_or("its share is not from 0 to 1")?;
        if self.sample.is_some() {
            return Err("a program takes one sample, and there is one already".to_owned());
        }
        let by = action.path.as_deref().filter(|path| !path.trim().is_empty());
        let by = by.map(|path| Path::parse(path).map_err(|fault| fault.message)).transpose()?;
        self.sample = Some((share, by.map(|path| path.to_string())));
        Ok(())
    }

    fn drop_properties(&mut self, action: &Action) -> Result<(), String> {
        let fields = action.fields.iter().flatten();
        let mut paths = Vec::new();
        for (object, names) in fields {
            let names = names.as_array().ok_or_else(|| format!("{names} is no list of names"))?;
            for name in names {
                let name = name.as_str().ok_or_else(|| format!("{name} is no name"))?;
                let escaped: String = name.chars().flat_map(escape).collect();
                let path = if object.is_empty() { escaped } else { format!("{object}.{escaped}") };
                paths.push(Path::parse(&path).map_err(|fault| fault.message)?.to_string());
            }
        }
        self.dropped.extend(paths);
        Ok(())
    }
}

/// A name is a name, whatever it would mean as a path.
fn escape(character: char) -> impl Iterator<Item = char> {
    let is_plain = character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    (!is_plain).then_some('\\').into_iter().chain([character])
}

/// What is left when `condition` is dropped. "Only send" is written as a filter that drops what is not meant: that reads
/// better without two negations.
fn inverted(condition: &str) -> String {
    let inner = condition.strip_prefix('!').map(str::trim).and_then(unwrapped);
    inner.map_or_else(|| format!("!({condition})"), |inner| inner.trim().to_owned())
}

/// What stands in parentheses, if they hold all of it.
fn unwrapped(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let (mut depth, mut quote, mut characters) = (0_u32, None, inner.chars());
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, '\\') => drop(characters.next()),
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.checked_sub(1)?,
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    Some(inner)
}

/// One of several parts that are joined by `and`.
fn grouped(condition: &str) -> String {
    let is_negation = condition.strip_prefix('!').is_some_and(|rest| unwrapped(rest).is_some());
    if is_negation { condition.to_owned() } else { format!("({condition})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(settings: &Value, filters: Value) -> Import {
        let destination =
            json!({"id": "d", "sourceId": "s", "enabled": true, "metadata": {"id": "m"}, "settings": settings});
        let filters: Vec<Filter> = serde_json::from_value(filters).unwrap();
        import(&serde_json::from_value(destination).unwrap(), &filters)
    }

    fn lines(import: &Import) -> Vec<String> {
        import.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }

    #[test]
    fn settings_get_the_guides_names() {
        let read = of(
            &json!({"accountSid": "IR1", "apiKey": "•••", "campaignId": 1000, "enablePageEvents": true, "enableScreenEvents": false,
                "iOsAppId": "", "androidAppId": 12, "eventTypeId": null, "actionEventNames": ["Order Completed", "Lead"],
                "installEventNames": [], "customParameterMapping": {"CustomerStatus": "properties.status"},
                "customMappingForProducts": {}, "newThing": "x", "pageLoadEventNames": "Opened"}),
            json!([]),
        );
        assert_eq!((read.account_sid.as_deref(), read.campaign_id.as_deref()), (Some("IR1"), Some("1000")));
        let expected = [
            "enable_page_events = true",
            "enable_screen_events = false",
            "android_app_id = \"12\"",
            "action_event_names = [\"Order Completed\", \"Lead\"]",
            "custom_parameter_mapping = { CustomerStatus = \"properties.status\" }",
        ];
        assert_eq!(lines(&read), expected);
        assert_eq!(read.left_out.len(), 2, "{:?}", read.left_out);
        assert!(read.left_out[0].contains("`pageLoadEventNames`") && read.left_out[1].contains("`newThing`"));
    }

    #[test]
    fn what_a_destination_drops_a_program_does_not_take() {
        let drop =
            |condition: &str| json!({"if": condition, "title": "t", "enabled": true, "actions": [{"type": "DROP"}]});
        for (filters, expected) in [
            (json!([drop("type = \"page\"")]), "!(type = \"page\")"),
            (json!([drop("!(properties.region = 'Canada')")]), "properties.region = 'Canada'"),
            (json!([drop("! ( contains(event, ')') )")]), "contains(event, ')')"),
            (json!([drop("!(a) or (b)")]), "!(!(a) or (b))"),
            (json!([drop("!a")]), "!(!a)"),
            (json!([drop("!(a = 1 or b = 2)"), drop("c = 3")]), "(a = 1 or b = 2) and !(c = 3)"),
            (json!([drop("all")]), "false"),
        ] {
            let read = of(&json!({}), filters);
            assert_eq!(read.settings, [("filter", Written::Text(expected.into()))]);
            assert_eq!(read.left_out, Vec::<String>::new());
            filter::Filter::parse(expected).unwrap();
        }
        let event = json!({"type": "page"});
        assert!(!filter::Filter::parse(NOTHING).unwrap().takes(&filter::Event::of_type(&event, "page")));
    }

    #[test]
    fn samples_and_dropped_properties_are_taken_over() {
        let read = of(
            &json!({}),
            json!([{"if": "all", "title": "t", "enabled": true, "actions": [
                {"type": "SAMPLE", "percent": 0.25, "path": "userId"},
                {"type": "DROP_PROPERTIES", "fields": {"properties": ["a", "two words", "b.c"], "": ["traits"], "context.device": ["id"]}},
            ]}]),
        );
        let lines = lines(&read);
        assert_eq!(lines[..2], ["sample = 0.25", "sample_by = \"userId\""]);
        for path in [
            "\"traits\"",
            "\"properties.a\"",
            "'properties.two\\ words'",
            "'properties.b\\.c'",
            "\"context.device.id\"",
        ] {
            assert!(lines[2].starts_with("drop_properties = [") && lines[2].contains(path), "{path}: {}", lines[2]);
        }
        assert_eq!(read.left_out, Vec::<String>::new());
    }

    #[test]
    fn where_a_filter_cannot_be_read_the_program_takes_nothing() {
        let drop =
            |condition: &str| json!({"if": condition, "title": "t", "enabled": true, "actions": [{"type": "DROP"}]});
        for filters in [json!([drop("a = ")]), json!([drop("a = 1"), drop("a = "), drop("b = 2")])] {
            let read = of(&json!({}), filters);
            assert_eq!(read.settings, [("filter", Written::Text(NOTHING.into()))]);
            assert!(read.left_out.len() == 1 && read.left_out[0].contains("(a =), DROP: "), "{:?}", read.left_out);
            assert!(read.left_out[0].contains("the program takes no call"), "{:?}", read.left_out);
        }
    }

    #[test]
    fn what_has_no_place_is_named_with_its_reason() {
        let of_action = |condition: &str, action: Value| json!({"if": condition, "title": "t", "enabled": true, "actions": [action]});
        for (filter, why) in [
            (json!({"if": "a", "title": "t", "enabled": false, "actions": [{"type": "DROP"}]}), "switched off"),
            (of_action("a", json!({"type": "SAMPLE", "percent": 0.5})), "to all of its calls or to none"),
            (of_action("all", json!({"type": "SAMPLE", "percent": 5})), "not from 0 to 1"),
            (of_action("all", json!({"type": "SAMPLE"})), "not from 0 to 1"),
            (
                of_action("a", json!({"type": "DROP_PROPERTIES", "fields": {"": ["x"]}})),
                "to all of its calls or to none",
            ),
            (of_action("all", json!({"type": "DROP_PROPERTIES", "fields": {"": "x"}})), "no list of names"),
            (of_action("all", json!({"type": "ALLOW_PROPERTIES", "fields": {"": ["x"]}})), "see `drop_properties`"),
            (of_action("all", json!({"type": "HASH"})), "not known here"),
        ] {
            let read = of(&json!({}), json!([filter]));
            assert_eq!(read.settings, [], "{filter}");
            assert!(read.left_out.len() == 1 && read.left_out[0].contains(why), "{filter}: {:?}", read.left_out);
        }
    }
}
