//! The `mailbox!` macro: the one place that ties a request to its reply and its wire name.

/// Declares a group's mailbox: an enum with one variant per request, and for each request its
/// reply type and its literal wire name.
macro_rules! mailbox {
    ($(#[$doc:meta])* $mailbox:ident { $($request:ident => $reply:ty, $op:literal;)+ }) => {
        $(#[$doc])*
        pub enum $mailbox {
            $(
                #[doc = concat!("Answers [`", stringify!($request), "`].")]
                $request($request, $crate::ReplyPort<$reply>),
            )+
        }

        impl $mailbox {
            /// The wire names of all requests, in the order of their declaration.
            pub const OPS: &'static [&'static str] = &[$($op),+];

            /// The wire name of this message.
            pub fn op(&self) -> &'static str {
                match self {
                    $(Self::$request(..) => $op,)+
                }
            }
        }

        $(
            impl $crate::Request for $request {
                type Reply = $reply;
                type Mailbox = $mailbox;
                const OP: &'static str = $op;

                fn into_message(self, reply: $crate::ReplyPort<$reply>) -> $mailbox {
                    $mailbox::$request(self, reply)
                }
            }
        )+
    };
}

pub(crate) use mailbox;
