//! The `mailbox!` macro: the one place that ties a request to its reply, its wire name and those
//! who may ask it.

/// Declares a group's mailbox: an enum with one variant per request, and for each request its
/// reply type and its literal wire name. The requests of `people` have a `user_id`, the person on
/// whose behalf they are made, and a [`Scope`](crate::Scope) that the person's token must have.
macro_rules! mailbox {
    (
        $(#[$doc:meta])* $mailbox:ident of $group:literal {
            people { $($person:ident => $person_reply:ty, $person_op:literal, $scope:ident;)* }
            services { $($service:ident => $service_reply:ty, $service_op:literal;)* }
            open { $($anyone:ident => $anyone_reply:ty, $anyone_op:literal;)* }
        }
    ) => {
        $crate::mailbox::requests! {
            $(#[$doc])* $mailbox {
                $($person => $person_reply, $person_op, Some($crate::Scope::$scope);)*
                $($service => $service_reply, $service_op, None;)*
                $($anyone => $anyone_reply, $anyone_op, None;)*
            }
        }

        impl $crate::wire::WireMailbox for $mailbox {
            const GROUP: &'static str = $group;
            const OPS: &'static [$crate::wire::Op] = &[
                $($crate::wire::Op::people($person_op, $crate::Scope::$scope),)*
                $($crate::wire::Op::services($service_op),)*
                $($crate::wire::Op::open($anyone_op),)*
            ];

            fn encode(self) -> Result<$crate::wire::Outgoing, $crate::Refusal> {
                use $crate::wire::{Op, Outgoing};
                match self {
                    $(Self::$person(request, reply) => {
                        let op = Op::people($person_op, $crate::Scope::$scope);
                        Outgoing::new(op, &request, reply)
                    })*
                    $(Self::$service(request, reply) => {
                        Outgoing::new(Op::services($service_op), &request, reply)
                    })*
                    $(Self::$anyone(request, reply) => {
                        Outgoing::new(Op::open($anyone_op), &request, reply)
                    })*
                }
            }

            fn decode(
                op: &str,
                payload: &[u8],
            ) -> Result<$crate::wire::Incoming<Self>, $crate::Refusal> {
                use $crate::wire::Incoming;
                match op {
                    $($person_op => {
                        Incoming::new(payload, |request: &$person| Some(request.user_id))
                    })*
                    $($service_op => Incoming::new(payload, |_request: &$service| None),)*
                    $($anyone_op => Incoming::new(payload, |_request: &$anyone| None),)*
                    _ => Err($crate::Refusal::unknown_op()),
                }
            }
        }
    };
}

/// The enum of a mailbox and what binds each request to it.
macro_rules! requests {
    ($(#[$doc:meta])* $mailbox:ident {
        $($request:ident => $reply:ty, $op:literal, $scope:expr;)+
    }) => {
        $(#[$doc])*
        pub enum $mailbox {
            $(
                #[doc = concat!("Answers [`", stringify!($request), "`].")]
                $request($request, $crate::ReplyPort<$reply>),
            )+
        }

        $(
            impl $crate::Request for $request {
                type Reply = $reply;
                type Mailbox = $mailbox;
                const OP: &'static str = $op;
                const SCOPE: Option<$crate::Scope> = $scope;

                fn into_message(self, reply: $crate::ReplyPort<$reply>) -> $mailbox {
                    $mailbox::$request(self, reply)
                }
            }
        )+
    };
}

pub(crate) use mailbox;
pub(crate) use requests;
