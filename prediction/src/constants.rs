//! Every constant of the model, in one place.
//!
//! Fitted on the development half of the Fehring/Marquette natural-family-planning study alone
//! (clients whose CRC-32 is even: 83 women, 860 cycles): [`MEAN_LN`], [`AGE_SLOPE`], [`KAPPA`] and
//! [`RATE`] maximise its marginal likelihood while the others are held fixed. A change of any of
//! them is a new [`CONSTANTS_VERSION`].

/// The model's name.
pub const MODEL: &str = "shifted_log_nig_mixture";
/// The version of the constants of this module.
pub const CONSTANTS_VERSION: u32 = 1;
/// Model and constants version: what forecasts are labelled with.
pub const METHOD: &str = "shifted_log_nig_mixture/1";

/// The fixed part of every cycle, in days: it behaves as the luteal phase. The rest of the length
/// is log-normal, which gives the skew and makes longer cycles the more variable ones.
pub const SHIFT_DAYS: f64 = 12.0;
/// Mean of ln(length − shift) at [`AGE_REFERENCE_YEARS`]; lengths in days.
pub const MEAN_LN: f64 = 2.813;
/// Change of that mean for each year of age. About −0.14 days a year; Bull and others, npj
/// Digit Med 2019;2:83, have −0.18.
pub const AGE_SLOPE: f64 = -0.0085;
/// The age at which [`MEAN_LN`] holds, in years; assumed while the age is unknown.
pub const AGE_REFERENCE_YEARS: f64 = 30.0;
/// Ages under this count as this, in years.
pub const AGE_MIN_YEARS: f64 = 20.0;
/// Ages over this count as this, in years.
pub const AGE_MAX_YEARS: f64 = 45.0;

/// How many cycles the prior mean is worth (K0).
pub const KAPPA: f64 = 0.8;
/// Shape of the gamma prior of the precision (A0). An integer, so that the degrees of freedom of
/// every Student distribution, 2·A0 + n, are one too.
pub const SHAPE: u32 = 3;
/// Rate of the gamma prior of the precision (B0), in squared units of ln days.
pub const RATE: f64 = 0.033;

/// Share of outlying cycles (EPS).
pub const OUTLIER_SHARE: f64 = 0.15;
/// Weight of an outlying cycle (`W_OUT`): a quarter of the precision, twice the deviation.
pub const OUTLIER_WEIGHT: f64 = 0.25;
/// Variance of one cycle in units of the regular one, outliers included: 1 + EPS(1/`W_OUT` − 1).
pub const VARIANCE_AHEAD: f64 = 1.0 + OUTLIER_SHARE * (1.0 / OUTLIER_WEIGHT - 1.0);

/// First parameter of the beta prior of the probability that a start is not logged.
pub const SKIP_ALPHA: f64 = 0.2;
/// Second parameter of that prior; its mean is 0.02.
pub const SKIP_BETA: f64 = 9.8;
/// The most true cycles that one logged gap is taken apart into.
pub const CYCLES_IN_GAP_MAX: u32 = 3;
/// How many hypotheses about the past are kept after each length. One would lose 3 nats of the
/// likelihood of the 860 cycles; more than four gain nothing.
pub const HYPOTHESES_MAX: usize = 4;
/// Hypotheses less probable than this are dropped.
pub const HYPOTHESIS_WEIGHT_MIN: f64 = 1e-4;
/// The least that may remain of a true cycle after the shift, in days.
pub const REMAINDER_MIN_DAYS: f64 = 0.5;

/// The shortest usable length, in days: a shorter one is probably spotting, and says nothing
/// about a model whose cycles exceed 12 days.
pub const LENGTH_MIN_DAYS: u32 = 15;
/// The longest length, in days; longer ones enter the model as this.
pub const LENGTH_MAX_DAYS: u32 = 120;
/// From so many days without a logged start on, starts are taken to have come unlogged, and nothing
/// to be known of where in a cycle a day is. One cycle so long lives on the outermost tail of the
/// model, in which late, really long cycles are too rare already: at 40 days the 80 % ranges held
/// 68 % of the wider external data. Longer lengths are not learned either: [`LENGTH_MAX_DAYS`].
pub const SILENCE_DAYS: u32 = LENGTH_MAX_DAYS;
/// How many of the newest lengths are used: three years, and a bound on what an edit costs.
pub const LENGTHS_MAX: u32 = 36;

/// First day of the table of the next start, in days after the last logged start.
pub const TABLE_FIRST_DAY: u32 = 13;
/// Last day of that table; what lies beyond is cut off and the rest rescaled.
pub const TABLE_LAST_DAY: u32 = 150;
/// The levels that summaries and evaluators read, ascending.
pub const QUANTILE_LEVELS: [f64; 7] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];
/// The levels of the ranges that are shown, ascending.
pub const INTERVAL_LEVELS: [f64; 3] = [0.5, 0.8, 0.95];
/// `confidence` is the probability that the start is within so many days of the shown date.
pub const CONFIDENCE_WITHIN_DAYS: u32 = 2;

/// Next start minus ovulation at [`LUTEAL_REFERENCE_LENGTH_DAYS`], in days.
pub const LUTEAL_MEAN_DAYS: f64 = 14.16;
/// Its change for each day of cycle length.
pub const LUTEAL_SLOPE: f64 = 0.147;
/// The cycle length at which [`LUTEAL_MEAN_DAYS`] holds, in days.
pub const LUTEAL_REFERENCE_LENGTH_DAYS: f64 = 29.0;
/// Its standard deviation among women, in days, while none of her ovulations is known.
pub const LUTEAL_DEVIATION_DAYS: f64 = 1.84;
/// Its standard deviation within a woman, in days.
pub const LUTEAL_WITHIN_DAYS: f64 = 1.50;
/// Its standard deviation between women, in days.
pub const LUTEAL_BETWEEN_DAYS: f64 = 1.19;
/// The least of next start minus ovulation that is reckoned with, in days.
pub const LUTEAL_MIN_DAYS: u32 = 8;
/// The most of it.
pub const LUTEAL_MAX_DAYS: u32 = 20;
/// Shortest cycle whose ovulation is reckoned with, in days.
pub const OVULATORY_LENGTH_MIN_DAYS: u32 = 15;
/// Longest such cycle, in days.
pub const OVULATORY_LENGTH_MAX_DAYS: u32 = 75;
/// The fertile window is the day of ovulation and the five before it: Wilcox, Weinberg and Baird,
/// N Engl J Med 1995;333:1517–21; Wilcox, Dunson and Baird, BMJ 2000;321:1259–62.
pub const FERTILE_DAYS_BEFORE_OVULATION: u32 = 5;
/// Days at least this probably fertile are shown as the window: on the held-out half of the study
/// 0.87 of the fertile days, 9.7 days on average.
pub const FERTILE_SHOWN_FROM: f64 = 0.25;

/// Days of bleeding while none is known: the earlier system's default. The development half has
/// 5.2 (859 periods of 83 women).
pub const PERIOD_MEAN_DAYS: f64 = 5.0;
/// Standard deviation of the days of bleeding within a woman: one-way analysis of variance of the
/// 859 periods of the development half.
pub const PERIOD_WITHIN_DAYS: f64 = 0.85;
/// Their standard deviation between women, from the same analysis.
pub const PERIOD_BETWEEN_DAYS: f64 = 0.94;
/// The longest period that is predicted, in days; the contract stores no longer one.
pub const PERIOD_MAX_DAYS: u32 = 31;
