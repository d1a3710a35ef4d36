//! The description of the API, made from the router's table: OpenAPI 3.1.
//!
//! What a route takes and gives is described beside it, by [`about`]; what may go wrong follows
//! from how it is guarded. Operations are built as utoipa's values; schemas are those of schemars,
//! as they are, so that bodies are described by the same types that read them.

pub mod about;
mod answers;
pub mod breaking;
pub mod examples;
mod strict;
mod words;

use carrel_model::admin::Role;
use carrel_model::command;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, Paths,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required,
};

use crate::openapi::about::{Gives, In, Param, Takes};
use crate::problem;
use crate::roles::Access;
use crate::router::{Route, routes};

/// The scheme by which tokens are sent.
const BEARER: &str = "token";

/// What of an operation says who may use it, for programs; its description says it in a sentence.
const ROLES: &str = "x-roles";

/// Where schemas are in the document.
const SCHEMAS: &str = "/components/schemas";

/// The whole document, always the same for the same version.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let routes = routes();
    let mut paths = Paths::new();
    for route in &routes {
        let item = PathItem::new(method(route.method), operation(route, &mut schemas));
        match paths.paths.get_mut(&route.path) {
            Some(there) => there.merge_operations(item),
            None => drop(paths.paths.insert(route.path.clone(), item)),
        }
    }
    let problem = schemas.of(SchemaGenerator::subschema_for::<problem::Body>);
    let mut document = serde_json::to_value(skeleton(paths)).unwrap_or_default();
    document["components"]["responses"] = answers::all(&problem);
    document["components"]["schemas"] = schemas.into_value();
    fill(&mut document);
    strict::bound(&mut document);
    document
}

/// As it is kept in schemas/openapi.json.
pub fn written() -> String {
    format!("{:#}\n", document())
}

fn skeleton(paths: Paths) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some(words::BEARER)).build();
    let tags = about::TAGS
        .iter()
        .map(|(name, what)| TagBuilder::new().name(*name).description(Some(*what)).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Carrel")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(words::INFO)),
        )
        .tags(Some(tags))
        .paths(paths)
        .components(Some(
            ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(bearer)).build(),
        ))
        .build()
}

/// Schemas of everything, under names that no two share.
struct Schemas(SchemaGenerator);

impl Schemas {
    fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
        Self(settings.into_generator())
    }

    fn of(&mut self, of: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Value {
        of(&mut self.0).to_value()
    }

    fn into_value(mut self) -> Value {
        let schemas: Map<String, Value> = self.0.take_definitions(true).into_iter().collect();
        Value::Object(schemas)
    }
}

/// utoipa's values hold no keywords that it doesn't know, so a schema stands in the document as an
/// example under this name until the operation is JSON.
const HELD: &str = "x-schema";

fn held(schema: &Value, media: &str, example: Option<&Value>) -> (String, Content) {
    let held = json!({ HELD: schema, "example": example });
    (media.to_owned(), ContentBuilder::new().example(Some(held)).build())
}

/// Puts held schemas where they belong.
fn fill(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let held = fields.get("example").and_then(|example| example.get(HELD)).is_some();
            if held && let Some(Value::Object(mut example)) = fields.remove("example") {
                fields.insert("schema".to_owned(), example.remove(HELD).unwrap_or_default());
                match example.remove("example") {
                    None | Some(Value::Null) => {}
                    Some(example) => drop(fields.insert("example".to_owned(), example)),
                }
            }
            fields.values_mut().for_each(fill);
        }
        Value::Array(items) => items.iter_mut().for_each(fill),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn method(method: &str) -> HttpMethod {
    match method {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        "HEAD" => HttpMethod::Head,
        "PATCH" => HttpMethod::Patch,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route, schemas: &mut Schemas) -> Operation {
    let about = &route.about;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(about.id.clone()))
        .tag(about.tag)
        .summary(Some(about.summary.clone()))
        .description(Some(described(route)))
        .extensions(Some(ExtensionsBuilder::new().add(ROLES, route.access().words()).build()));
    for param in &about.params {
        operation = operation.parameter(parameter(param));
    }
    if let Some(takes) = &about.takes {
        operation = operation.request_body(Some(body(takes, schemas)));
    }
    for gives in &about.gives {
        operation = operation.response(gives.status.to_string(), response(gives, schemas));
    }
    for status in answers::of(route) {
        let name = answers::name(status);
        let refers: RefOr<Response> = Ref::from_response_name(name).into();
        operation = operation.response(status.to_string(), refers);
    }
    match route.access() {
        Access::Open => operation.securities(Some([])).build(),
        Access::SignedIn
        | Access::Role(_)
        | Access::Client
        | Access::Subject(_)
        | Access::Nobody => {
            let needs = SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []);
            operation.security(needs).build()
        }
    }
}

fn word(role: Role) -> String {
    let word = serde_json::to_value(role).unwrap_or_default();
    word.as_str().unwrap_or("?").to_owned()
}

fn described(route: &Route) -> String {
    let who = match route.access() {
        Access::Open => "Anybody may do this.".to_owned(),
        Access::SignedIn => "Whoever is signed in may do this.".to_owned(),
        Access::Role(role) => {
            format!("For the role `{}` and those that include it.", word(role))
        }
        Access::Client => "For people who use desktops, for themselves.".to_owned(),
        Access::Subject(role) => format!(
            "For people who use desktops, for themselves, and for the role `{}`.",
            word(role)
        ),
        Access::Nobody => "Nobody may do this.".to_owned(),
    };
    match route.about.detail.as_str() {
        "" => who,
        detail => format!("{detail}\n\n{who}"),
    }
}

/// The schema is held by the example, too.
fn parameter(param: &Param) -> utoipa::openapi::path::Parameter {
    let place = match param.place {
        In::Path => ParameterIn::Path,
        In::Query => ParameterIn::Query,
        In::Header => ParameterIn::Header,
    };
    let required = if param.required { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(param.name.clone())
        .parameter_in(place)
        .required(required)
        .description(Some(param.what.clone()))
        .example(Some(json!({ HELD: param.schema, "example": param.example })))
        .build()
}

fn body(takes: &Takes, schemas: &mut Schemas) -> utoipa::openapi::request_body::RequestBody {
    let schema = takes.shape.schema(|of| schemas.of(of));
    let (media, content) = held(&schema, takes.media, Some(&takes.example));
    let required = if takes.required { Required::True } else { Required::False };
    RequestBodyBuilder::new().content(media, content).required(Some(required)).build()
}

fn response(gives: &Gives, schemas: &mut Schemas) -> Response {
    let mut response = ResponseBuilder::new().description(gives.what.clone());
    for (media, shape, example) in &gives.content {
        let schema = shape.schema(|of| schemas.of(of));
        let (media, content) = held(&schema, media, example.as_ref());
        response = response.content(media, content);
    }
    for (name, what) in &gives.headers {
        let schema = utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .build();
        let mut header = utoipa::openapi::Header::new(schema);
        header.description = Some((*what).to_owned());
        response = response.header(*name, header);
    }
    response.build()
}

/// The first sentences of a command's schema: what it is for.
pub(crate) fn what_for(about: &command::About) -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = (about.json_schema)(generator).to_value();
    schema["description"].as_str().unwrap_or_default().to_owned()
}
