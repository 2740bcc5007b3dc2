//! Pages of a list, as impact.com's brand API has them: everything about a page is a string.

use serde_json::{Value, json};
use std::collections::HashMap;

/// Elements of a page, where nobody says how many.
const ELEMENTS: usize = 20_000;

/// The page of `all` that `query` asks for at `path`; it has no more than `most` elements, however many are asked for
/// (0: no such limit).
pub(super) fn of(name: &str, all: &[Value], path: &str, query: &mut HashMap<String, String>, most: usize) -> Value {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let page = number("Page").unwrap_or(1).max(1);
    let asked = number("PageSize").unwrap_or(ELEMENTS).max(1);
    let size = if most == 0 { asked } else { asked.min(most) };
    let pages = all.len().div_ceil(size).max(1);
    let start = (page - 1).saturating_mul(size);
    let elements: Vec<&Value> = all.iter().skip(start).take(size).collect();
    let mut uri = |number: usize| {
        if !(1..=pages).contains(&number) {
            return String::new();
        }
        query.insert("Page".to_owned(), number.to_string());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&*query).finish();
        format!("{path}?{query}")
    };
    json!({
        "@page": page.to_string(), "@numpages": pages.to_string(), "@pagesize": size.to_string(),
        "@total": all.len().to_string(), "@start": start.to_string(),
        "@end": (start + elements.len()).saturating_sub(1).to_string(), "@uri": uri(page), "@firstpageuri": uri(1),
        "@previouspageuri": uri(page - 1), "@nextpageuri": uri(page + 1), "@lastpageuri": uri(pages), name: elements,
    })
}
