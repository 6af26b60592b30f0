//! Converts a refusal to a gRPC status and back.
//!
//! The refusal's class is sent in a header of its own. The status code follows gRPC's conventions, so that other tools
//! understand it. A status without that header comes from the transport, and usually means that no answer arrived in
//! time.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::refusal::Refusal;

/// The header that holds a refusal's class.
const CLASS: &str = "gristmill-refusal";
/// Longest message that is sent, in bytes. Each byte may take three in a header.
const MESSAGE_BYTES_MAX: usize = 12 << 10;

/// Converts a refusal to the status that is sent instead of an answer.
pub(super) fn status(refusal: Refusal) -> Status {
    let (class, code, mut message) = match refusal {
        Refusal::Invalid { message } => ("invalid", Code::InvalidArgument, message),
        Refusal::NotFound { message } => ("not-found", Code::NotFound, message),
        Refusal::Unavailable { message } => ("unavailable", Code::Unavailable, message),
        Refusal::NotYet { message } => ("not-yet", Code::Unavailable, message),
        Refusal::Limit { message } => ("limit", Code::ResourceExhausted, message),
        Refusal::Internal { message } => ("internal", Code::Internal, message),
        Refusal::NotLeader { leader } => ("not-leader", Code::FailedPrecondition, leader),
    };
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    let mut status = Status::new(code, message);
    status.metadata_mut().insert(CLASS, MetadataValue::from_static(class));
    status
}

/// Converts a status that arrived from `peer` instead of an answer.
pub(super) fn refusal(status: &Status, peer: &str) -> Refusal {
    let class = status.metadata().get(CLASS).and_then(|class| class.to_str().ok());
    let message = status.message().to_owned();
    match class {
        Some("invalid") => Refusal::Invalid { message },
        Some("not-found") => Refusal::NotFound { message },
        Some("unavailable") => Refusal::Unavailable { message },
        Some("not-yet") => Refusal::NotYet { message },
        Some("limit") => Refusal::Limit { message },
        Some("internal") => Refusal::Internal { message },
        Some("not-leader") => Refusal::NotLeader { leader: message },
        _ => foreign(status, peer),
    }
}

/// Converts a status of the transport itself.
fn foreign(status: &Status, peer: &str) -> Refusal {
    let said = reason(status);
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Refusal::Limit { message: format!("a message is too large: {said}: {peer}") }
        }
        Code::Unimplemented => Refusal::Internal {
            message: format!(
                "{peer} does not support this request\nhint: run the same version of gristmill at that address"
            ),
        },
        _ => Refusal::Unavailable { message: format!("no answer: {said}: {peer}") },
    }
}

/// The innermost cause, which names the fault: `Connection refused`, where the status says `tcp connect error`.
fn reason(status: &Status) -> String {
    let mut cause: &dyn std::error::Error = status;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let innermost = cause.to_string();
    if std::ptr::eq(cause, std::ptr::from_ref(status)) || innermost.is_empty() {
        return status.message().to_owned();
    }
    innermost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_survives_the_wire() {
        let message = || "größer; \"j7\"\n  than 100 %".to_owned();
        let all = [
            Refusal::Invalid { message: message() },
            Refusal::NotFound { message: message() },
            Refusal::Unavailable { message: message() },
            Refusal::NotYet { message: message() },
            Refusal::Limit { message: message() },
            Refusal::Internal { message: message() },
            Refusal::NotLeader { leader: "127.0.0.1:7401".into() },
            Refusal::NotLeader { leader: String::new() },
        ];
        for one in all {
            let sent = status(one.clone()).into_http::<tonic::body::Body>();
            let received = Status::from_header_map(sent.headers()).unwrap();
            assert_eq!(refusal(&received, "peer"), one);
        }
    }

    #[test]
    fn transport_errors_differ_from_a_masters_refusals() {
        let table = [
            (Code::Unavailable, "no answer: x: 127.0.0.1:1"),
            (Code::Unknown, "no answer: x: 127.0.0.1:1"),
            (Code::OutOfRange, "a message is too large: x: 127.0.0.1:1"),
        ];
        for (code, said) in table {
            assert_eq!(refusal(&Status::new(code, "x"), "127.0.0.1:1").to_string(), said);
        }
    }
}
