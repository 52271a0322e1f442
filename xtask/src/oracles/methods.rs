//! What `tidegate-risk` says of each oracle's case: flat numbers in, flat numbers out.

use anyhow::{Context, Result, bail};
use tidegate_risk::aberration::baseline::{BaselineRule, Score};
use tidegate_risk::aberration::chart::{AfterAlarm, CusumRule, EwmaRule, cusum, ewma};
use tidegate_risk::aberration::ears::{self, EarsThresholds};
use tidegate_risk::aberration::{Point, multiplicity, normal};
use tidegate_risk::exposure::{self, Breathing, CleanAir, SharedTime};
use tidegate_risk::forecast::{Gains, HoltWinters};
use tidegate_risk::importation::{
    BetaPosterior, Prevalence, Sample, lambda, prob_at_least_one_exact, prob_at_least_one_poisson,
};
use tidegate_risk::indicators::{Flow, skellam_z};
use tidegate_risk::moments::{CountDistribution, Coverage};
use tidegate_risk::occupancy::{Dwell, DwellWeights};
use tidegate_risk::outbreak::{Control, Offspring, outbreak_of};

/// The answer of the crate to one case.
pub(super) fn compute(method: &str, input: &[f64]) -> Result<Vec<f64>> {
    match method {
        "outbreak probability" => outbreak(input),
        "beta-binomial arrivals" => beta_binomial(input),
        "Jeffreys, Clopper-Pearson, Wilson" => intervals(input),
        "Poisson quantile" => poisson(input),
        "negative binomial quantile" => negative_binomial(input),
        "Poisson, negative binomial at most" => at_most(input),
        "dwell survival" => survival(input),
        "dwell weights" => weights(input),
        "Wells-Riley steady, transient" => wells_riley(input),
        "at least one, many origins" => origins(input),
        "normal tail, quantile" => normal_tail(input),
        "Student tail" => student(input),
        "Benjamini-Hochberg" => Ok(multiplicity::adjusted_p_values(input)?),
        "Skellam z" => skellam(input),
        "CUSUM" => cusums(input),
        "EWMA" => ewmas(input),
        "EARS C1, C2, C3" => ears_scores(input),
        "EARS C1, C2 bounds (surveillance)" => ears_bounds(input),
        "Holt-Winters (R)" => holt_winters(input),
        _ => bail!("there is no method {method}"),
    }
}

/// The numbers of an input that has just `N`.
fn exactly<const N: usize>(input: &[f64]) -> Result<[f64; N]> {
    input
        .try_into()
        .with_context(|| format!("{} numbers are not {N}", input.len()))
}

/// The first `N` numbers and the rest.
fn split<const N: usize>(input: &[f64]) -> Result<([f64; N], &[f64])> {
    let (head, rest) = input
        .split_first_chunk::<N>()
        .with_context(|| format!("{} numbers are not {N} and more", input.len()))?;
    Ok((*head, rest))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the scripts write whole numbers below 2^53"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
const fn number(value: u64) -> f64 {
    value as f64
}

fn outbreak(input: &[f64]) -> Result<Vec<f64>> {
    let [reproduction, dispersion, individual, population, many] = exactly(input)?;
    let control = Control::try_new(individual, population)?;
    let one = Offspring::try_new(reproduction, dispersion)?.outbreak_probability(control);
    Ok(vec![one, outbreak_of(whole(many), one)?])
}

fn beta_binomial(input: &[f64]) -> Result<Vec<f64>> {
    let [alpha, beta, n] = exactly(input)?;
    let arrivals = BetaPosterior::try_new(alpha, beta)?.arrivals(whole(n));
    Ok(vec![
        arrivals.at_least_one,
        arrivals.mean,
        arrivals.variance,
    ])
}

fn intervals(input: &[f64]) -> Result<Vec<f64>> {
    let [positive, tested, tail] = exactly(input)?;
    let (positive, tested) = (whole(positive), whole(tested));
    let all = [Coverage::Eighty, Coverage::Ninety, Coverage::NinetyFive];
    let coverage = all
        .into_iter()
        .find(|coverage| coverage.tail().total_cmp(&tail).is_eq())
        .context("no coverage has this tail")?;
    let sample = Sample::try_new(positive, tested)?;
    let three = [
        BetaPosterior::try_jeffreys(positive, tested)?.interval(coverage),
        sample.clopper_pearson(coverage),
        sample.wilson(coverage),
    ];
    Ok(three.iter().flat_map(|ends| [ends.lo, ends.hi]).collect())
}

fn poisson(input: &[f64]) -> Result<Vec<f64>> {
    let [mean, q] = exactly(input)?;
    Ok(vec![number(CountDistribution::poisson(mean)?.quantile(q))])
}

fn negative_binomial(input: &[f64]) -> Result<Vec<f64>> {
    let [mean, size, q] = exactly(input)?;
    let distribution = CountDistribution::negative_binomial(mean, size)?;
    Ok(vec![number(distribution.quantile(q))])
}

fn at_most(input: &[f64]) -> Result<Vec<f64>> {
    let [mean, size, persons] = exactly(input)?;
    Ok(vec![
        CountDistribution::poisson(mean)?.at_most(whole(persons)),
        CountDistribution::negative_binomial(mean, size)?.at_most(whole(persons)),
    ])
}

/// A standard deviation of 0 stands for the exponential distribution.
fn dwell(mean: f64, sd: f64) -> Result<Dwell> {
    Ok(if sd > 0.0 {
        Dwell::lognormal(mean, sd)?
    } else {
        Dwell::exponential(mean)?
    })
}

fn survival(input: &[f64]) -> Result<Vec<f64>> {
    let [mean, sd, minutes] = exactly(input)?;
    Ok(vec![dwell(mean, sd)?.survival(minutes)])
}

fn weights(input: &[f64]) -> Result<Vec<f64>> {
    let [mean, sd, window, max] = exactly(input)?;
    let weights = DwellWeights::try_new(dwell(mean, sd)?, window, max)?;
    let mut answer = weights.as_slice().to_vec();
    answer.extend([weights.cut_share(), weights.longer_share()]);
    Ok(answer)
}

fn wells_riley(input: &[f64]) -> Result<Vec<f64>> {
    let ([infectious, hours, quanta, breath, volume], losses) = split(input)?;
    let breathing = Breathing::try_new(quanta, breath)?;
    let shared = SharedTime::try_new(infectious, hours)?;
    let air = Some(CleanAir::try_new(volume, exactly(losses)?)?);
    let both = [
        exposure::infection_steady(breathing, shared, air),
        exposure::infection_from_clean(breathing, shared, air),
    ];
    Ok(both.into_iter().flatten().collect())
}

fn origins(input: &[f64]) -> Result<Vec<f64>> {
    let row = |pair: &[f64]| Ok((whole(pair[0]), Prevalence::try_new(pair[1])?));
    let rows: Vec<_> = input.chunks_exact(2).map(row).collect::<Result<_>>()?;
    let expected = lambda(&rows);
    let poisson = prob_at_least_one_poisson(expected).context("it is negative")?;
    Ok(vec![prob_at_least_one_exact(&rows), poisson, expected])
}

fn normal_tail(input: &[f64]) -> Result<Vec<f64>> {
    let [z, p] = exactly(input)?;
    let both = [normal::upper_tail(z), normal::upper_quantile(p)];
    Ok(both.into_iter().flatten().collect())
}

fn student(input: &[f64]) -> Result<Vec<f64>> {
    let [t, freedom] = exactly(input)?;
    let freedom = u8::try_from(whole(freedom))?;
    Ok(normal::student_upper_tail(t, freedom).into_iter().collect())
}

fn skellam(input: &[f64]) -> Result<Vec<f64>> {
    let [arrivals, departures] = exactly(input)?;
    let (arrivals, departures) = (whole(arrivals), whole(departures));
    let flow = Flow::try_new(arrivals.try_into()?, departures.try_into()?, 15.0)?;
    Ok(skellam_z(flow).into_iter().collect())
}

fn cusums(input: &[f64]) -> Result<Vec<f64>> {
    let ([allowance], series) = split(input)?;
    let rule = CusumRule::try_new(allowance, 4.0, AfterAlarm::Continue)?;
    let steps = cusum(rule, series)?;
    Ok(steps.iter().map(|step| step.sum).collect())
}

fn ewmas(input: &[f64]) -> Result<Vec<f64>> {
    let ([weight, width], series) = split(input)?;
    let steps = ewma(EwmaRule::try_new(weight, width)?, series)?;
    let averages = steps.iter().map(|step| step.average);
    Ok(averages
        .chain(steps.iter().map(|step| step.limit))
        .collect())
}

fn ears_scores(input: &[f64]) -> Result<Vec<f64>> {
    let rule = BaselineRule::DEFAULT;
    let three = [
        ears::c1(rule, input)?,
        ears::c2(rule, input)?,
        ears::c3(rule, input)?,
    ];
    Ok(three.into_iter().flatten().flatten().collect())
}

/// The bounds of C1 from the eighth window and of C2 from the tenth, as surveillance begins them.
fn ears_bounds(input: &[f64]) -> Result<Vec<f64>> {
    let points: Vec<_> = input.iter().copied().map(Point::Trains).collect();
    let steps = ears::ears(BaselineRule::DEFAULT, &points)?;
    let [first, second, _] = EarsThresholds::NORMAL_999.get();
    let bounds = |of: fn(&ears::EarsStep) -> Option<Score>, threshold: f64| {
        let scores = steps.iter().filter_map(of);
        let bound = move |score: Score| score.baseline().upper_bound(threshold);
        scores.map(bound).collect::<Result<Vec<_>, _>>()
    };
    let mut answer = bounds(|step| step.c1, first)?;
    answer.extend(bounds(|step| step.c2, second)?);
    Ok(answer)
}

/// What was expected of each value from the second period on, then one period ahead.
fn holt_winters(input: &[f64]) -> Result<Vec<f64>> {
    let ([level, trend, season, period], series) = split(input)?;
    let gains = Gains {
        level,
        trend,
        season,
    };
    let period = usize::try_from(whole(period))?;
    let first = series.get(..2 * period).context("it is too short")?;
    let mut smoothing = HoltWinters::try_from_two_periods(gains, first)?;
    let fitted = series[period..]
        .iter()
        .map(|value| smoothing.observe(*value));
    let mut answer: Vec<_> = fitted.collect();
    answer.extend((1..=period).map(|steps| smoothing.forecast(steps)));
    Ok(answer)
}
