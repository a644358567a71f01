//! Signing in to the console, and the sessions that this opens. They have nothing to do with those of portals.

use secrecy::SecretString;
use serde_json::json;

use crate::session::FormToken;
use crate::{App, Error, tokens};

/// An operator who is signed in. It holds what opens and forges things, so it cannot be printed.
#[derive(Clone)]
pub struct Operator {
    /// The name in `OPERATORS`.
    pub name: String,
    /// What every form of this session carries.
    pub csrf_token: FormToken,
    token_hash: Vec<u8>,
}

impl Operator {
    /// What is stored of its token, to tell it from others.
    pub fn token_hash(&self) -> &[u8] {
        &self.token_hash
    }
}

/// What signing in has come to.
pub enum SignedIn {
    /// The token of the new session, for the cookie.
    Yes(SecretString),
    /// The name or the password is wrong: nobody is told which.
    No,
}

/// The token that the sign-in's form carries, before there is a session: bound to what the browser got with the form.
pub fn form_token(from_browser: &str) -> FormToken {
    FormToken::new(tokens::csrf(from_browser))
}

/// What a browser gets with the sign-in's form.
pub fn browser_token() -> SecretString {
    tokens::random().into()
}

/// Opens a session for whoever knows the password. The one that the browser had, `former`, ends.
pub async fn sign_in(
    app: &App,
    name: &str,
    password: SecretString,
    former: Option<&str>,
) -> Result<SignedIn, Error> {
    let Some(console) = &app.console else {
        return Ok(SignedIn::No);
    };
    let Some(session) = console.operators.verify(name, password).await else {
        tracing::warn!("a sign-in to the console was refused");
        note_refusal(app, name, console.operators.knows(name)).await?;
        return Ok(SignedIn::No);
    };
    let token = tokens::random();
    let now = app.now();
    let mut tx = app.db.begin_unscoped().await?;
    if let Some(former) = former {
        store::console::delete(&mut tx, &tokens::hash(former)).await?;
    }
    store::console::insert(&mut tx, &tokens::hash(&token), &session, now).await?;
    let detail = json!({"operator": session.operator});
    store::audit::insert_operators(&mut tx, "console sign-in", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(SignedIn::Yes(token.into()))
}

/// Puts a refused sign-in under an operator's name into the trail. What is no operator's name is anybody's words, maybe a password,
/// and there is no end to them: it is written and not kept, so that both take as long but for the commit; tries are too few to tell.
async fn note_refusal(app: &App, name: &str, is_known: bool) -> Result<(), Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let operator = if is_known { name } else { "" };
    let detail = json!({"operator": operator});
    store::audit::insert_operators(&mut tx, "console sign-in-refused", &detail, app.now()).await?;
    if is_known {
        tx.commit().await.map_err(store::Error::from)?;
    }
    Ok(())
}

/// The operator whose session a cookie's token opens; `None` when it is over, or when the name or its password is another now.
pub async fn find(app: &App, token: &str) -> Result<Option<Operator>, Error> {
    let Some(console) = &app.console else {
        return Ok(None);
    };
    let token_hash = tokens::hash(token);
    let mut conn = app.db.unscoped().await?;
    let found = store::console::find_session(&mut conn, &token_hash, app.now()).await?;
    let session = found.filter(|session| console.operators.still_has(session));
    Ok(session.map(|session| Operator {
        name: session.operator,
        csrf_token: FormToken::new(tokens::csrf(token)),
        token_hash,
    }))
}

/// Ends the session, and what it might look at.
pub async fn end(app: &App, operator: &Operator) -> Result<(), Error> {
    let mut tx = app.db.begin_unscoped().await?;
    store::console::delete(&mut tx, &operator.token_hash).await?;
    let detail = json!({"operator": operator.name});
    store::audit::insert_operators(&mut tx, "console sign-out", &detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}
