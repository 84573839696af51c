//! Report licences: seats, who holds them and how, and what is wrong or wasted.
//!
//! ```text
//! cargo run --example licence_report
//! cargo run --example licence_report -- --tenant real --json
//! ```

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;
use iam_core::Result;
use iam_examples::say;
use iam_examples::tenant::Which;
use iam_graph::GraphClient;
use iam_graph::query::Query;
use iam_graph::users::User;
use iam_sandbox::Sandbox;
use serde_json::{Value, json};

/// Report the licences of a tenant.
#[derive(Debug, Parser)]
#[command(name = "licence_report")]
struct Options {
    #[command(flatten)]
    which: Which,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What is counted of one product.
#[derive(Debug, Default)]
struct Product {
    name: String,
    seats: u64,
    used: u64,
    direct: usize,
    through_groups: usize,
    /// Holders whose sign-in is blocked: seats that could be taken back.
    blocked: usize,
    /// Group assignments that failed, by Graph's word for why.
    errors: BTreeMap<String, usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match report(&options).await {
        Ok(products) => {
            print(&products, options.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn report(options: &Options) -> Result<Vec<Product>> {
    let tenant = options.which.open(Sandbox::builder()).await?;
    let mut products = bought(&tenant.client).await?;
    let query = Query::new().select([
        "id",
        "accountEnabled",
        "assignedLicenses",
        "licenseAssignmentStates",
    ]);
    let mut users = tenant.client.stream_users(query)?;
    while let Some(user) = users.try_next().await? {
        add(&mut products, &user);
    }
    Ok(products.into_values().collect())
}

/// The products by SKU id in lower case.
async fn bought(client: &GraphClient) -> Result<BTreeMap<String, Product>> {
    let skus = client.list_skus().await?;
    let product = |sku: iam_graph::licenses::SubscribedSku| {
        let product = Product {
            name: sku.sku_part_number,
            seats: sku.prepaid_units.enabled + sku.prepaid_units.warning,
            used: sku.consumed_units,
            ..Product::default()
        };
        (sku.sku_id.to_lowercase(), product)
    };
    Ok(skus.into_iter().map(product).collect())
}

fn add(products: &mut BTreeMap<String, Product>, user: &User) {
    let mut held: Vec<String> = Vec::new();
    for (sku, group) in user.licenses() {
        let product = named(products, sku);
        match group {
            Some(_) => product.through_groups += 1,
            None => product.direct += 1,
        }
        held.push(sku.to_lowercase());
    }
    // Held twice, directly and through a group, it is one seat.
    held.sort();
    held.dedup();
    if user.account_enabled == Some(false) {
        for sku in &held {
            named(products, sku).blocked += 1;
        }
    }
    for state in &user.license_assignment_states {
        if let Some(error) = state.error.as_deref().filter(|error| *error != "None") {
            *named(products, &state.sku_id)
                .errors
                .entry(error.to_owned())
                .or_default() += 1;
        }
    }
}

/// A product that the tenant no longer has goes by its id.
fn named<'a>(products: &'a mut BTreeMap<String, Product>, sku: &str) -> &'a mut Product {
    products.entry(sku.to_lowercase()).or_insert_with(|| Product {
        name: sku.to_owned(),
        ..Product::default()
    })
}

fn print(products: &[Product], as_json: bool) {
    if as_json {
        let products: Vec<Value> = products.iter().map(document).collect();
        say(format_args!("{:#}", json!({ "products": products })));
        return;
    }
    say(format_args!(
        "{:<28} {:>6} {:>6} {:>6} {:>7} {:>7} {:>8}",
        "product", "seats", "used", "free", "direct", "groups", "blocked"
    ));
    for product in products {
        let free = product.seats.saturating_sub(product.used);
        say(format_args!(
            "{:<28} {:>6} {:>6} {free:>6} {:>7} {:>7} {:>8}",
            product.name,
            product.seats,
            product.used,
            product.direct,
            product.through_groups,
            product.blocked
        ));
    }
    let blocked: usize = products.iter().map(|product| product.blocked).sum();
    say(format_args!(
        "{blocked} seats are held by accounts that cannot sign in"
    ));
    for product in products {
        for (error, count) in &product.errors {
            say(format_args!(
                "{}: {count} members of licensed groups have {error}",
                product.name
            ));
        }
    }
}

fn document(product: &Product) -> Value {
    json!({
        "product": product.name, "seats": product.seats, "used": product.used, "direct": product.direct,
        "through_groups": product.through_groups, "blocked": product.blocked, "errors": product.errors,
    })
}
