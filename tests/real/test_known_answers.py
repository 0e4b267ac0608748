"""Real experiments against their known answers: counts exactly, estimates and errors to 1e-6 relative."""

import pytest
from shared import EXPERIMENTS, needs_experiments

from analysis import load_experiment, read
from tests.real.reading import FILES, check, effect, facts, readout_of

pytestmark = needs_experiments
CLOSE = 1e-6


def matches_means(found, want, *, adjusted=False):
    """A difference of means with Welch's interval and p-value."""
    assert (found.n.control, found.n.treatment) == (want["n_c"], want["n_t"])
    estimate = found.absolute if adjusted else found.unadjusted.absolute
    assert estimate.estimate == pytest.approx(want["diff"], rel=CLOSE)
    assert estimate.standard_error == pytest.approx(want["se"], rel=CLOSE)
    assert [estimate.lower, estimate.upper] == pytest.approx(want["ci95_welch_t"], rel=CLOSE)
    means = found.adjustment.means if adjusted else found.means
    assert [means.control, means.treatment] == pytest.approx([want["mean_c"], want["mean_t"]], rel=CLOSE)
    if adjusted:
        assert found.p_value == pytest.approx(want["p_welch"], rel=CLOSE)
        assert found.adjustment.slopes[0][0] == pytest.approx(want["theta"], rel=CLOSE)
        ratio = (1 - found.variance_reduction) ** 0.5
        assert ratio == pytest.approx(want["se_ratio_vs_unadjusted"], rel=CLOSE)


def matches_proportions(found, want):
    """A difference of proportions with its unpooled interval."""
    assert (found.n.control, found.n.treatment) == (want["n_c"], want["n_t"])
    assert [found.means.control, found.means.treatment] == pytest.approx([want["rate_c"], want["rate_t"]], rel=1e-12)
    assert found.absolute.estimate == pytest.approx(want["diff"], rel=CLOSE)
    assert found.absolute.standard_error == pytest.approx(want["se_unpooled"], rel=CLOSE)
    assert [found.absolute.lower, found.absolute.upper] == pytest.approx(want["ci95_unpooled"], rel=CLOSE)
    assert found.relative.estimate == pytest.approx(want["rel_lift"], rel=CLOSE)


@pytest.mark.parametrize(("arm", "block"), [("Mens E-Mail", "mens_vs_none"), ("Womens E-Mail", "womens_vs_none")])
def test_hillstrom(arm, block):
    readout, want = readout_of("hillstrom"), facts("hillstrom")
    assert readout.looks[-1].units == want["arm_counts"]
    assert check(readout, "sample_ratio").p_value == pytest.approx(want["srm_equal_thirds"]["p"], rel=CLOSE)
    want = want[block]
    matches_means(effect(readout, "spend", arm), want["spend"])
    matches_means(effect(readout, "spend", arm), want["cuped_history"]["spend"], adjusted=True)
    matches_means(effect(readout, "spend_recency", arm), want["cuped_recency"]["spend"], adjusted=True)
    matches_means(effect(readout, "visit_mean", arm), want["visit"])
    matches_means(effect(readout, "visit_mean", arm), want["cuped_history"]["visit"], adjusted=True)
    matches_proportions(effect(readout, "visit", arm), want["visit_prop_test"])
    matches_proportions(effect(readout, "conversion", arm), want["conversion_prop_test"])
    # Past spend hardly foretells spend: no big gain may be claimed.
    assert 0 < effect(readout, "spend", arm).variance_reduction < 0.01
    for segment, group in want["heterogeneity"].items():
        found = effect(readout, "spend", arm, segment).unadjusted.absolute
        expected = [group["spend"]["diff"], group["spend"]["se"]]
        assert [found.estimate, found.standard_error] == pytest.approx(expected, rel=CLOSE)


def test_hillstrom_mailing_ships_with_a_confidence_sequence():
    readout = readout_of("mens_email")
    assert readout.decision.verdict == "ship"
    assert readout.looks[-1].units == {"No E-Mail": 21306, "Mens E-Mail": 21307}
    assert check(readout, "other_arms").value == 21387
    assert effect(readout, "spend", "Mens E-Mail").interval.kind == "confidence_sequence"


def test_cookie_cats():
    readout, want = readout_of("cookie_cats"), facts("cookie_cats")
    assert readout.looks[-1].units == want["arm_counts"]
    ratio = check(readout, "sample_ratio")
    assert ratio.p_value == pytest.approx(want["srm_50_50"]["p"], rel=CLOSE) and ratio.verdict == "warn"
    for metric in ("retention_1", "retention_7"):
        matches_proportions(effect(readout, metric, "gate_40"), want[metric])
    matches_means(effect(readout, "sum_gamerounds", "gate_40"), want["sum_gamerounds"])
    assert readout.decision.verdict == "stop"


def test_cookie_cats_without_its_one_player_of_49854_rounds(tmp_path):
    text = (FILES / "cookie_cats.toml").read_text()
    table = EXPERIMENTS / "cookie_cats" / "raw" / "cookie_cats.csv"
    lines = [
        f'table = "{table}"\nquery = "SELECT * FROM source WHERE sum_gamerounds < 49854"'
        if line.startswith("table")
        else line
        for line in text.splitlines()
    ]
    file = tmp_path / "cookie_cats.toml"
    file.write_text("\n".join(lines))
    found = effect(read(load_experiment(file)), "sum_gamerounds", "gate_40")
    matches_means(found, facts("cookie_cats")["sum_gamerounds_without_the_49854_outlier"])


def test_udacity_as_logged_leaves_out_and_counts_those_seen_in_both_arms():
    readout = readout_of("udacity_dirty")
    assert sum(readout.looks[-1].units.values()) == 290_584 - 1_895
    assert check(readout, "crossover").value == pytest.approx(1_895 / 290_584, rel=1e-12)


def test_udacity_cleaned_day_by_day():
    readout, want = readout_of("udacity_clean"), facts("udacity_ab")
    matches_proportions(effect(readout, "converted", "treatment"), want["conversion"])
    assert check(readout, "sample_ratio").p_value == pytest.approx(want["srm_50_50_clean"]["p"], rel=CLOSE)
    assert len(readout.looks) == len(want["cumulative_daily"]) == 23
    for k, day in enumerate(want["cumulative_daily"]):
        found = effect(readout, "converted", "treatment", look=k)
        assert readout.looks[k].units == {"control": day["n_c"], "treatment": day["n_t"]}
        assert found.means.control * day["n_c"] == pytest.approx(day["x_c"], rel=1e-12)
        assert found.means.treatment * day["n_t"] == pytest.approx(day["x_t"], rel=1e-12)


def test_udacity_by_country(tmp_path):
    import duckdb

    text = (FILES / "udacity_clean.toml").read_text()
    query = text.split('"""')[1].replace("FROM source", f"FROM read_csv('{unzipped(tmp_path)}')")
    countries = EXPERIMENTS / "udacity_ab" / "raw" / "countries.csv"
    duckdb.sql(f"COPY (SELECT * FROM ({query}) JOIN '{countries}' USING (user_id)) TO '{tmp_path / 'units.parquet'}'")
    file = tmp_path / "udacity.toml"
    head, _, tail = text.partition("[source]")
    metrics = tail[tail.index("[[metrics]]") :]
    file.write_text(f'{head}segments = ["country"]\n[source]\ntable = "units.parquet"\n{metrics}')
    readout, want = read(load_experiment(file)), facts("udacity_ab")["by_country"]
    for country, answer in want.items():
        matches_proportions(effect(readout, "converted", "treatment", f"country={country}"), answer)


def unzipped(folder):
    import zipfile

    with zipfile.ZipFile(EXPERIMENTS / "udacity_ab" / "raw" / "ab_data.csv.zip") as archive:
        return archive.extract("ab_data.csv", folder)


@pytest.mark.parametrize("arm", ["Civic Duty", "Hawthorne", "Neighbors"])
def test_gerber_with_four_arms_of_unlike_size(arm):
    readout, want = readout_of("gerber"), facts("gerber_social_pressure")
    assert readout.looks[-1].units == want["arm_counts"]
    assert check(readout, "sample_ratio").p_value == pytest.approx(want["srm_5_1_1_1"]["p"], rel=CLOSE)
    matches_proportions(effect(readout, "voted", arm), want[arm]["prop"])
    matches_means(effect(readout, "voted_adjusted", arm), want[arm]["cuped_primary2004"], adjusted=True)
    for value, difference in want[arm]["by_primary2004"].items():
        found = effect(readout, "voted", arm, f"primary2004={value}")
        assert found.absolute.estimate == pytest.approx(difference, rel=CLOSE)


def test_ebay_where_covariates_cut_the_error_thirtyfold():
    readout, want = readout_of("ebay"), facts("ebay_paidsearch")
    found = effect(readout, "log_revenue", "off")
    matches_means(found, want["cuped_pre_period_mean_log_revenue"], adjusted=True)
    assert found.unadjusted.absolute.standard_error / found.absolute.standard_error > 30
    did = effect(readout, "change", "off")
    matches_means(did, want["did_log_revenue"])
    # The control mean is negative: a fall is a fall, whatever the sign of the base.
    assert did.relative.estimate == pytest.approx(-want["did_log_revenue"]["rel_lift"], rel=CLOSE)


def test_lalonde_original():
    found, want = effect(readout_of("lalonde_original"), "earnings", "1"), facts("lalonde_nsw")
    matches_means(found, want["original"])
    matches_means(found, want["original_cuped_re75"], adjusted=True)


@pytest.mark.parametrize("covariate", ["re74", "re75"])
def test_lalonde_of_dehejia_and_wahba(tmp_path, covariate):
    import pandas

    men = pandas.read_stata(EXPERIMENTS / "lalonde_nsw" / "raw" / "nsw_mixtape.dta")
    men.assign(man=range(len(men))).astype({"re74": float, "re75": float, "re78": float}).to_csv(tmp_path / "men.csv")
    text = (FILES / "lalonde_original.toml").read_text().split("[source]")
    head = text[0].replace("rownames", "man").replace('"trt"', '"treat"')
    metrics = text[1][text[1].index("[[metrics]]") :].replace("re75", covariate)
    (tmp_path / "men.toml").write_text(f'{head}[source]\ntable = "men.csv"\n{metrics}')
    found, want = effect(read(load_experiment(tmp_path / "men.toml")), "earnings", "1"), facts("lalonde_nsw")
    matches_means(found, want["dw"])
    matches_means(found, want[f"dw_cuped_{covariate}"], adjusted=True)


def test_lalonde_against_men_who_were_not_randomised_is_negative(tmp_path):
    text = (FILES / "lalonde_original.toml").read_text().split("[source]")
    table = EXPERIMENTS / "lalonde_nsw" / "raw" / "matchit_lalonde_psid.csv"
    (tmp_path / "psid.toml").write_text(
        text[0].replace('"trt"', '"treat"') + f'[source]\ntable = "{table}"\n' + text[1][text[1].index("[[metrics]]") :]
    )
    readout = read(load_experiment(tmp_path / "psid.toml"))
    matches_means(effect(readout, "earnings", "1"), facts("lalonde_nsw")["psid_naive"])
    assert readout.decision.verdict == "blocked"
