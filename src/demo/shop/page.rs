//! The shop's pages.

use super::SITE_WRITE_KEY;
use axum::response::Html;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

/// Calls Segment from the page: what a site's own analytics script does, in thirty lines.
pub(super) const SCRIPT: &str = include_str!("shop.js");

/// How it looks.
pub(super) const STYLE: &str = include_str!("shop.css");

/// Something to buy.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    pub(super) price: f64,
    words: &'static str,
    colours: [&'static str; 2],
}

/// All there is.
const PRODUCTS: [Product; 3] = [
    Product {
        sku: "herringbone-scarf",
        name: "Herringbone scarf",
        category: "Scarves",
        price: 59.0,
        words: "Lambswool, woven on a narrow loom, with an edge that never frays.",
        colours: ["#7a4b3a", "#d9b99b"],
    },
    Product {
        sku: "linen-throw",
        name: "Linen throw",
        category: "Throws",
        price: 129.5,
        words: "Washed linen, heavy enough for autumn, light enough for a balcony.",
        colours: ["#35524a", "#a2c5ac"],
    },
    Product {
        sku: "tea-towel",
        name: "Tea towel, set of two",
        category: "Kitchen",
        price: 19.95,
        words: "Half linen. Dries glasses without a streak, and looks good doing it.",
        colours: ["#2f4a6d", "#b7c9e2"],
    },
];

/// The product of this number.
pub(super) fn find(sku: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.sku == sku)
}

/// What the checkout is asked for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Chosen {
    sku: String,
}

/// The landing page.
pub(super) fn home() -> Html<String> {
    frame(
        "Warp & Weft",
        &html! {
            header.hero {
                h1 { "Cloth that stays in shape." }
                p { "Scarves, throws and towels from a small mill. Woven with a proper edge." }
            }
            section.grid {
                @for product in &PRODUCTS {
                    a.card href={ "/product/" (product.sku) } {
                        (swatch(product))
                        h2 { (product.name) }
                        p.price { (price(product)) }
                    }
                }
            }
        },
    )
}

/// One product; `None` when there is no such thing.
pub(super) fn product(sku: &str) -> Option<Html<String>> {
    let product = find(sku)?;
    Some(frame(
        product.name,
        &html! {
            article.product {
                (swatch(product))
                div {
                    p.category { (product.category) }
                    h1 { (product.name) }
                    p { (product.words) }
                    p.price { (price(product)) }
                    a.button href={ "/checkout?sku=" (product.sku) } { "Buy it" }
                }
            }
        },
    ))
}

/// The checkout of one product, for a customer number; `None` when there is no such product.
pub(super) fn checkout(chosen: &Chosen, customer: &str) -> Option<Html<String>> {
    let product = find(&chosen.sku)?;
    Some(frame(
        "Checkout",
        &html! {
            article.product {
                (swatch(product))
                form #checkout method="post" action="/order" {
                    h1 { "Checkout" }
                    p { (product.name) ", " (price(product)) }
                    input type="hidden" name="sku" value=(product.sku);
                    input type="hidden" name="customer" value=(customer);
                    label { "E-mail" input type="email" name="email" value="ada@example.com" required; }
                    button.button { "Order now" }
                    p.note { "Nothing is charged and nothing is sent: this shop exists on your machine only." }
                }
            }
        },
    ))
}

/// What a customer sees after the order; `status` is what the endpoint answered to the shop's report.
pub(super) fn thanks(order: &str, status: Option<u16>) -> Html<String> {
    frame(
        "Thank you",
        &html! {
            header.hero {
                h1 { "Thank you." }
                p { "Order " code { (order) } " is on its way." }
                @match status {
                    Some(status) => p.note {
                        "The shop's server has reported it to Segment by userId alone, without a cookie. The answer was " (status) "."
                    },
                    None => p.note { "The shop's server could not report it to Segment." },
                }
                a.button href="/" { "Back to the shop" }
            }
        },
    )
}

/// What there is not.
pub(super) fn missing() -> Html<String> {
    frame("Not found", &html! { header.hero { h1 { "Nothing woven here." } a.button href="/" { "Back to the shop" } } })
}

/// The page around `content`.
fn frame(title: &str, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body data-write-key=(SITE_WRITE_KEY) {
                nav { a href="/" { "Warp & Weft" } span { "a demonstration shop" } }
                main { (content) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Html(page.into_string())
}

/// A picture that needs no file: a few threads in the product's colours.
fn swatch(product: &Product) -> Markup {
    let [warp, weft] = product.colours;
    html! { div.swatch style={ "--warp:" (warp) ";--weft:" (weft) } role="img" aria-label=(product.name) {} }
}

fn price(product: &Product) -> String {
    format!("€ {:.2}", product.price)
}
