//! The guide's two tables as data, row by row, in the guide's order.

use super::super::Endpoint;
use Rule::{
    AppId, AppleOnly, CampaignId, ClickId, CustomerId, Email, EventCode, EventDate, EventTypeId, First, GoogleId,
    IpAddress, Items, OrderId, PageLoadClickId, Path, PostDiscount, UserAgent,
};

/// One row: impact.com's parameter and where its value comes from.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
}

/// Where a row's value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// One path of the call.
    Path(&'static str),
    /// The guide's `||`: the first path with a truthy value.
    First(&'static [&'static str]),
    /// One path, but never on Android: what the parameter identifies is an Apple device.
    AppleOnly(&'static str),
    /// One path; on Android, `context.device.advertisingId` stands in for it.
    GoogleId(&'static str),
    /// `||` over e-mail addresses, hashed. Identify calls have theirs in the top-level `traits` too.
    Email(&'static [&'static str]),
    /// One path; on page loads its value must look like an identifier (the guide's footnote).
    CustomerId(&'static str),
    /// `||` that ends in a macro of impact.com's.
    OrderId(&'static [&'static str]),
    /// One path, unless the call has products (footnote 4).
    PostDiscount(&'static str),
    /// One path, else the visitor's address.
    IpAddress(&'static str),
    /// One path, else the visitor's.
    UserAgent(&'static str),
    /// The call's time.
    EventDate(&'static str),
    /// `INSTALL`, on installs.
    EventCode,
    /// The setting, on actions.
    EventTypeId,
    /// The setting.
    CampaignId,
    /// The click that the call earned (footnote 1).
    ClickId,
    /// The same, in no row of the guide: impact.com's own pixel sends it, and `send_click_id_on_page_load` switches it off.
    PageLoadClickId,
    /// The setting of the call's platform, else the path.
    AppId(&'static str),
    /// All rows of [`ITEM`], for each product.
    Items,
}

impl Rule {
    /// The paths of the call that it reads, in their order.
    pub(super) fn paths(&self) -> &[&'static str] {
        match self {
            Path(path) | AppleOnly(path) | GoogleId(path) | CustomerId(path) | PostDiscount(path) | IpAddress(path)
            | UserAgent(path) | EventDate(path) | AppId(path) => std::slice::from_ref(path),
            First(paths) | Email(paths) | OrderId(paths) => paths,
            ClickId => &["context.referrer.id"],
            EventCode | EventTypeId | CampaignId | PageLoadClickId | Items => &[],
        }
    }

    /// The property as the guide's table has it.
    fn property(&self) -> String {
        let (before, after): (&[&str], &[&str]) = match self {
            EventTypeId => (&["settings.eventTypeId"], &[]),
            CampaignId => (&["settings.campaignId"], &[]),
            AppId(_) => (&["settings.appId"], &[]),
            EventCode => (&["INSTALL"], &[]),
            PageLoadClickId => (&["not in the guide"], &[]),
            OrderId(_) => (&[], &["\"IR_AN_64_TS\""]),
            _ => (&[], &[]),
        };
        [before, self.paths(), after].concat().join(" || ")
    }
}

/// The table of an endpoint.
pub(super) fn of(endpoint: Endpoint) -> &'static [Row] {
    match endpoint {
        Endpoint::Conversions => TRACK,
        Endpoint::PageLoad => PAGE,
        // What happens to orders is mapped by `refund`.
        Endpoint::Actions => &[],
    }
}

/// What the row of a parameter reads, in the guide's words; `None` where no row names it.
pub fn reads(endpoint: Endpoint, param: &str) -> Option<String> {
    if let Some(row) = of(endpoint).iter().find(|row| row.name == param) {
        return Some(row.rule.property());
    }
    ITEM.iter().find_map(|(name, inner)| {
        let number: usize = param.strip_prefix(name)?.parse().ok()?;
        Some(format!("properties.products[{}].{inner}", number.checked_sub(1)?))
    })
}

const EMAIL: &[&str] = &["context.traits.email", "properties.email"];
const DEVICE_OS: &[&str] = &["context.device.type", "context.os.name"];
const ORDER_ID: &[&str] =
    &["properties.orderId", "properties.order_id", "properties.transactionID", "properties.messageId", "messageId"];
const REFERRING_URL: &[&str] = &["context.referrer.url", "context.page.referrer"];
const PAGE_URL: &[&str] = &["context.page.url", "properties.url", "context.page.referrer", "context.referrer.url"];

/// Track events parameter mapping reference: actions and installs.
pub(super) const TRACK: &[Row] = &[
    Row { name: "AppleAdTrack", rule: Path("context.device.adTrackingEnabled") },
    Row { name: "AppleIfa", rule: AppleOnly("context.device.advertisingId") },
    Row { name: "AppleIfv", rule: AppleOnly("context.device.id") },
    Row { name: "AppName", rule: Path("context.app.name") },
    Row { name: "AppPackage", rule: Path("context.app.namespace") },
    Row { name: "AppVer", rule: Path("context.app.version") },
    Row { name: "CampaignId", rule: CampaignId },
    Row { name: "ClickId", rule: ClickId },
    Row { name: "CurrencyCode", rule: Path("properties.currency") },
    Row { name: "CustomerEmail", rule: Email(EMAIL) },
    Row { name: "CustomerId", rule: CustomerId("userId") },
    Row { name: "CustomerStatus", rule: Path("context.traits.status") },
    Row { name: "CustomProfileId", rule: Path("anonymousId") },
    Row { name: "DeviceCarrier", rule: Path("context.network.carrier") },
    Row { name: "DeviceLocale", rule: Path("context.locale") },
    Row { name: "DeviceMfr", rule: Path("context.device.manufacturer") },
    Row { name: "DeviceModel", rule: Path("context.device.model") },
    Row { name: "DeviceOs", rule: First(DEVICE_OS) },
    Row { name: "DeviceOsVer", rule: Path("context.os.version") },
    Row { name: "EventCode", rule: EventCode },
    Row { name: "EventDate", rule: EventDate("timestamp") },
    Row { name: "EventTypeCode", rule: Path("event") },
    Row { name: "EventTypeId", rule: EventTypeId },
    Row { name: "GoogAId", rule: GoogleId("properties.advertisingId") },
    Row { name: "IpAddress", rule: IpAddress("context.ip") },
    Row { name: "Item…{i}", rule: Items },
    Row { name: "Latitude", rule: Path("context.location.latitude") },
    Row { name: "Longitude", rule: Path("context.location.longitude") },
    Row { name: "OrderDiscount", rule: Path("properties.discount") },
    Row { name: "OrderId", rule: OrderId(ORDER_ID) },
    Row { name: "OrderPromoCode", rule: Path("properties.coupon") },
    Row { name: "OrderShipping", rule: Path("properties.shipping") },
    Row { name: "OrderSubTotalPostDiscount", rule: PostDiscount("properties.revenue") },
    Row { name: "OrderTax", rule: Path("properties.tax") },
    Row { name: "ReferringUrl", rule: First(REFERRING_URL) },
    Row { name: "PageUrl", rule: First(PAGE_URL) },
    Row { name: "UserAgent", rule: UserAgent("context.userAgent") },
];

/// Page Events parameter mapping reference: page, screen and identify calls, and track events that are page loads.
pub(super) const PAGE: &[Row] = &[
    Row { name: "AppleIfa", rule: AppleOnly("context.device.advertisingId") },
    Row { name: "AppleIfv", rule: AppleOnly("context.device.id") },
    Row { name: "AppName", rule: Path("context.app.name") },
    Row { name: "AppPackage", rule: Path("context.app.namespace") },
    Row { name: "AppVer", rule: Path("context.app.version") },
    Row { name: "CampaignId", rule: CampaignId },
    Row { name: "ClickId", rule: PageLoadClickId },
    Row { name: "CustomerEmail", rule: Email(EMAIL) },
    Row { name: "CustomerId", rule: CustomerId("userId") },
    Row { name: "CustomProfileId", rule: Path("anonymousId") },
    Row { name: "DeviceCarrier", rule: Path("context.network.carrier") },
    Row { name: "DeviceLocale", rule: Path("context.locale") },
    Row { name: "DeviceMfr", rule: Path("context.device.manufacturer") },
    Row { name: "DeviceModel", rule: Path("context.device.model") },
    Row { name: "DeviceOs", rule: First(DEVICE_OS) },
    Row { name: "DeviceOsVer", rule: Path("context.os.version") },
    Row { name: "EventDate", rule: EventDate("timestamp") },
    Row { name: "GoogAId", rule: GoogleId("properties.advertisingId") },
    Row { name: "ImpactAppId", rule: AppId("context.app.namespace") },
    Row { name: "IpAddress", rule: IpAddress("context.ip") },
    Row { name: "PageUrl", rule: First(PAGE_URL) },
    Row { name: "ReferringUrl", rule: First(REFERRING_URL) },
    Row { name: "UserAgent", rule: UserAgent("context.userAgent") },
];

/// The rows of one product: the name before its number, and the path inside the product.
pub(super) const ITEM: &[(&str, &str)] = &[
    ("ItemBrand", "brand"),
    ("ItemCategory", "category"),
    ("ItemName", "name"),
    ("ItemPrice", "price"),
    ("ItemPromoCode", "coupon"),
    ("ItemQuantity", "quantity"),
    ("ItemSku", "sku"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The first three columns of a row as the documentation has them.
    fn documented(name: &str, property: &str, code: &str) -> String {
        let property: Vec<String> = property.split(" || ").map(|path| format!("`{path}`")).collect();
        format!("| `{name}` | {} | `{code}` | ", property.join(r" \|\| "))
    }

    /// The documented rows of the `index`th table, without the golden cases.
    fn table(index: usize) -> Vec<&'static str> {
        const HEADER: &str = "| parameter | Segment property | code | golden cases |\n|---|---|---|---|\n";
        let table = include_str!("mapping.md").split(HEADER).nth(index).unwrap();
        table.lines().take_while(|line| line.starts_with('|')).collect()
    }

    #[test]
    fn the_documentation_has_every_row_of_the_code_and_no_other() {
        for (rows, documentation) in [(TRACK, table(1)), (PAGE, table(2))] {
            let rows: Vec<String> = rows
                .iter()
                .flat_map(|row| match row.rule {
                    Items => ITEM
                        .iter()
                        .map(|(name, inner)| {
                            documented(&format!("{name}{{i}}"), &format!("properties.products[i].{inner}"), "ITEM")
                        })
                        .collect(),
                    rule => {
                        let code = format!("Rule::{rule:?}");
                        vec![documented(row.name, &rule.property(), code.split('(').next().unwrap())]
                    }
                })
                .collect();
            assert_eq!(rows.len(), documentation.len());
            for (row, line) in rows.iter().zip(documentation) {
                assert!(line.starts_with(row), "the code has\n{row}\nthe documentation\n{line}");
                assert!(line.len() > row.len() + "`` |".len(), "no golden case: {line}");
            }
        }
    }

    #[test]
    fn what_rows_read() {
        for (endpoint, param, row) in [
            (Endpoint::PageLoad, "ImpactAppId", Some("settings.appId || context.app.namespace")),
            (Endpoint::PageLoad, "ClickId", Some("not in the guide")),
            (Endpoint::Conversions, "ClickId", Some("context.referrer.id")),
            (Endpoint::Conversions, "ItemSku12", Some("properties.products[11].sku")),
            (Endpoint::Conversions, "ItemSku0", None),
            (Endpoint::Conversions, "ItemSku", None),
            (Endpoint::Conversions, "Text1", None),
            (Endpoint::PageLoad, "OrderId", None),
        ] {
            assert_eq!(reads(endpoint, param).as_deref(), row, "{param}");
        }
    }
}
