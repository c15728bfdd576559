//! `#[derive(Settings)]`: how a type of the configuration is read from the strict parse.
//!
//! It says what `#[derive(Deserialize)]` of `serde` would, by the same attributes, so that reading, writing and the JSON
//! Schema of a type cannot come apart; but all that is the same for two fields is a call of one function, where
//! `serde` compiles a state machine for every type: 150 KB of the filter. What the configuration does not use
//! (enums that hold something, flattening, aliases) does not compile.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Expr, ExprPath, Field, Fields, Ident, LitStr, Result, Token};

/// Implements `portcullis_content::settings::Settings` for a struct, a struct of one unnamed field, or an enum whose variants
/// hold nothing.
///
/// Reads `#[serde(…)]` with `default`, `default = "path"`, `rename = "name"`, `skip`, `transparent`, `deny_unknown_fields`,
/// `deserialize_with = "path"` (of a function that takes what `Settings::read` does) and `rename_all` of `lowercase` or
/// `snake_case`. A struct has to say `deny_unknown_fields`.
#[proc_macro_derive(Settings, attributes(serde))]
pub fn settings(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    implementation(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn implementation(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let container = Said::of(&input.attrs)?;
    let body = match &input.data {
        Data::Enum(data) => variants(data, &container)?,
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if container.strict => members(fields.named.iter(), &container)?,
            Fields::Named(_) => return Err(Error::new_spanned(name, "has to deny unknown fields")),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => quote! {
                Self(::portcullis_content::settings::Settings::read(value, reader))
            },
            _ => return Err(Error::new_spanned(name, "is of no form that a configuration has")),
        },
        Data::Union(_) => return Err(Error::new_spanned(name, "is a union")),
    };
    Ok(quote! {
        impl ::portcullis_content::settings::Settings for #name {
            fn read<'v>(
                value: ::core::option::Option<::portcullis_content::json::Value<'v>>,
                reader: &mut ::portcullis_content::settings::Reader,
            ) -> Self {
                #body
            }
        }
    })
}

/// The variant that is named; where none is, an error is noted and it does not matter which one it is.
fn variants(data: &DataEnum, container: &Said) -> Result<TokenStream> {
    let mut names = Vec::new();
    let mut arms = Vec::new();
    for (index, variant) in data.variants.iter().enumerate() {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "holds something"));
        }
        let said = Said::of(&variant.attrs)?;
        names.push(said.rename.unwrap_or_else(|| container.case.apply(&variant.ident)));
        let ident = &variant.ident;
        arms.push(match index + 1 == data.variants.len() {
            false => quote! { #index => Self::#ident },
            true => quote! { _ => Self::#ident },
        });
    }
    Ok(quote! {
        match reader.name(value, &[#(#names),*]) { #(#arms),* }
    })
}

fn members<'a>(fields: impl Iterator<Item = &'a Field>, container: &Said) -> Result<TokenStream> {
    let mut names = Vec::new();
    let mut reads = Vec::new();
    for field in fields {
        let said = Said::of(&field.attrs)?;
        let Some(ident) = &field.ident else { continue };
        if said.skip {
            if !container.defaulted() {
                reads.push(quote! { #ident: ::core::default::Default::default() });
            }
            continue;
        }
        let index = names.len();
        names.push(said.rename.unwrap_or_else(|| plain(ident)));
        reads.push(match (container.defaulted(), said.with, said.default) {
            (true, None, None) => quote! { reader.replace(&members, #index, &mut it.#ident) },
            (true, ..) => return Err(Error::new_spanned(ident, "the struct has its defaults already")),
            (false, Some(with), _) => quote! { #ident: reader.member(&members, #index, #with) },
            (false, None, Some(Otherwise::Path(path))) => quote! { #ident: reader.or(&members, #index, #path) },
            (false, None, Some(Otherwise::Trait)) => quote! { #ident: reader.or_default(&members, #index) },
            (false, None, None) => quote! { #ident: reader.required(&members, #index) },
        });
    }
    let opening = quote! { let members = reader.members(value, &[#(#names),*]); };
    Ok(match container.defaulted() {
        true => quote! {
            #opening
            let mut it: Self = ::core::default::Default::default();
            #(#reads;)*
            it
        },
        false => quote! {
            #opening
            Self { #(#reads),* }
        },
    })
}

/// What the `serde` attributes of a type, a field or a variant say.
#[derive(Default)]
struct Said {
    rename: Option<String>,
    case: Case,
    default: Option<Otherwise>,
    with: Option<ExprPath>,
    skip: bool,
    strict: bool,
}

/// What a member that is left out comes to.
enum Otherwise {
    Trait,
    Path(ExprPath),
}

impl Said {
    fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut said = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| said.take(&meta))?;
        }
        Ok(said)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let word = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
        match word.as_str() {
            "rename" => self.rename = Some(text(meta)?.value()),
            "rename_all" => self.case = Case::named(&text(meta)?)?,
            "default" if meta.input.peek(Token![=]) => self.default = Some(Otherwise::Path(text(meta)?.parse()?)),
            "default" => self.default = Some(Otherwise::Trait),
            "deserialize_with" => self.with = Some(text(meta)?.parse()?),
            "skip" => self.skip = true,
            "deny_unknown_fields" => self.strict = true,
            "transparent" => {}
            // How it is written is not our business.
            "skip_serializing_if" => drop(meta.value()?.call(Expr::parse)?),
            _ => return Err(meta.error("is nothing that a configuration uses")),
        }
        Ok(())
    }

    fn defaulted(&self) -> bool {
        self.default.is_some()
    }
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

/// A field's name without the mark of a raw identifier.
fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// How names of variants are spelt.
#[derive(Clone, Copy, Default)]
enum Case {
    #[default]
    AsIs,
    Lower,
    Snake,
}

impl Case {
    fn named(name: &LitStr) -> Result<Self> {
        match name.value().as_str() {
            "lowercase" => Ok(Self::Lower),
            "snake_case" => Ok(Self::Snake),
            _ => Err(Error::new_spanned(name, "is no case that a configuration uses")),
        }
    }

    fn apply(self, ident: &Ident) -> String {
        let name = plain(ident);
        match self {
            Self::AsIs => name,
            Self::Lower => name.to_lowercase(),
            Self::Snake => {
                let mut snake = String::new();
                for (index, letter) in name.char_indices() {
                    if letter.is_uppercase() && index > 0 {
                        snake.push('_');
                    }
                    snake.extend(letter.to_lowercase());
                }
                snake
            }
        }
    }
}
