"""What the figures of the language lessons choose and draw, by hand on made-up values, and for odd texts."""
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from conftest import CHAR, FABLES, LANGUAGE, WORD, error_of, init, module, small, train

language = pytest.mark.parametrize("name", LANGUAGE)
words = pytest.mark.parametrize("name", WORD)
gated = pytest.mark.parametrize("name", ["char_lstm", "char_gru"])


def finder(name):
    """The function that looks for cells or units, and the one that draws one."""
    lesson = module(name)
    return (lesson.best_cells, lesson.plot_cell) if name == "char_lstm" else (lesson.best_units, lesson.plot_unit)


# %% Cells and units
@gated
def test_properties_of_a_text(name):
    """Inside quotation marks, which end with a paragraph at the latest; position in the line, in the word."""
    properties = module(name).properties
    assert properties('ab "c\nd" e').tolist() == [
        [0, 0, 0, 1, 1, 1, 1, 0, 0, 0], [1, 2, 3, 4, 5, 0, 1, 2, 3, 4], [1, 2, 0, 0, 1, 0, 1, 0, 0, 1]]
    assert properties('"a\n\nb').tolist()[0] == [1, 1, 1, 0, 0]
    assert properties("\u201ca\u201d b").tolist()[0] == [1, 1, 0, 0, 0]
    assert properties("\u03b1\u03b2\u4e00 7").tolist()[2] == [1, 2, 3, 0, 0]


@gated
def test_units_are_chosen_on_the_first_half_and_judged_on_the_second(name, monkeypatch):
    """Of made-up units: one that is right in the first half only, one the wrong way round, one right too late."""
    lesson, rng, N = module(name), np.random.default_rng(0), 3000
    text = FABLES[:2 * N + 1]
    vocab = sorted(set(text))
    halves = [lesson.properties(half).astype(float) for half in (text[:N], text[N:2 * N])]
    noise = rng.normal(size=(2, N))
    units = np.array([[halves[0][0], halves[1][0] + noise[0]],              # 0: quotes, later less well
                      [-halves[0][1], -halves[1][1]],                       # 1: line, the wrong way round
                      [rng.normal(size=N), halves[1][0]],                   # 2: quotes, in the second half only
                      [halves[0][2], noise[1]],                             # 3: word, in the first half only
                      [np.zeros(N), np.zeros(N)]])                          # 4: constant
    seen = []

    def step(params, x, state):
        seen.append(x)
        now = units[:, :, len(seen) - 1]
        return ((np.zeros_like(now), now) if name == "char_lstm" else now), None
    monkeypatch.setattr(lesson, "step", step)
    find, _ = finder(name)
    with np.errstate(all="ignore"):                         # as main does it: a constant has no correlation
        rows, second = find({"Wy": np.zeros((2, 5), np.float32)}, lesson.encode(text, vocab), vocab)
    assert np.array(seen).T.tolist() == lesson.encode(text[:2 * N], vocab).reshape(2, N).tolist()
    assert second == text[N:2 * N]
    assert [row[:2] for row in rows] == [("inside quotation marks", 0), ("position in the line", 1)]   # 3 fails later
    assert rows[0][2] == pytest.approx(np.corrcoef(halves[1][0], units[0, 1])[0, 1], abs=1e-3)
    assert rows[1][2] == pytest.approx(-1) and 0.3 < rows[0][2] < 0.6
    assert np.allclose(rows[0][3], units[0, 1], atol=1e-2) and np.allclose(rows[1][3], -halves[1][1], atol=1e-2)


@gated
@pytest.mark.parametrize("mark", ['"', "\u201c"])
def test_every_character_stands_on_the_value_of_its_unit(name, mark):
    """Seven lines in a row, those with the most quotation marks, cut at 80 characters."""
    lines = ["a", "b" * 90, "", f"c {mark}x", "", f"d {mark}yy{mark}" + "e" * 90, "f", "g", "h", f"i {mark}", "j"]
    text = "\n".join(lines)
    values, axes = np.arange(len(text)) / 7, Figure().subplots()
    finder(name)[1](axes, text, values, "RdBu", "a title")
    shown = {label.get_position(): label.get_text() for label in axes.texts}
    assert shown == {(column, row): char for row, line in enumerate(lines[3:10]) for column, char in
                     enumerate(line[:80])}
    grid, start = axes.images[0].get_array(), len("\n".join(lines[:3])) + 1
    for row, line in enumerate(lines[3:10]):
        assert np.allclose(np.array(grid[row, :len(line[:80])]), values[start:start + len(line[:80])])
        start += len(line) + 1
    assert axes.get_title() == "a title" and "quotation marks" in axes.get_xlabel()
    assert axes.images[0].get_cmap().name == "RdBu" and axes.images[0].colorbar.ax.get_ylabel()


@gated
@pytest.mark.filterwarnings("error")
def test_the_picture_has_a_panel_for_each_unit_found(name, tmp_path, monkeypatch, capsys):
    """Whatever the text: Chinese, dollars, no line end, long lines, empty lines; and it says which unit it is."""
    lesson = module(name)
    signs = "\u6211\u559c\u6b22\u3002\n$^$ \\frac{ $x$ _ % & {\n\n\t\0\x07\"\n"
    for content in (signs * 9, "a" * 300, "\n\n\n\n\nb\n" * 9):
        vocab = sorted(set(content))
        ids = lesson.encode(content, vocab)
        params = init(name, len(vocab), 3, np.random.default_rng(0), np.float32)
        half = len(content) // 2
        rows = [(title, 7 + n, (-1)**n / 2, np.linspace(-1, 1, half)) for n, title in enumerate(lesson.NAMES)]
        best = "best_cells" if name == "char_lstm" else "best_units"
        monkeypatch.setattr(lesson, best, lambda *_: (rows, content[-half:]))
        run = {"best": params, "vocab": vocab, "best_nats": 1.5, "scores": [[1, 2.0, 2.1], [5, 1.0, 1.5]],
               "settings": {"seq_len": 9, "hidden": 3}}
        lesson.draw(tmp_path / "x.png", run, ids)
        out, err = capsys.readouterr()
        assert err == "" and (tmp_path / "x.png").stat().st_size > 10_000
        assert all(f" {7 + n} " in out and title in out for n, title in enumerate(lesson.NAMES))
        (tmp_path / "x.png").unlink()


# %% Curves
def figure_of(lesson, run, valid, monkeypatch):
    """The figure that draw would save."""
    seen = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: seen.append(self))
    lesson.draw("x.png", run, valid)
    (figure,) = seen
    return figure


def a_run(name, V=60, H=6):
    """Something to draw."""
    vocab = [f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(V)] if name in WORD else [
        chr(32 + n) for n in range(V)]
    return {"best": init(name, V, H, np.random.default_rng(0), np.float32), "vocab": vocab, "best_nats": 1.5,
            "scores": [[10, 3.0, 2.0], [20, 1.0, 1.5]], "settings": {"seq_len": 9, "hidden": H}}


@language
def test_curves_are_in_the_unit_and_of_the_right_part(name, monkeypatch):
    """The title names lesson and score, the axes have names, the curves are training and held out."""
    lesson, run = module(name), a_run(name)
    figure = figure_of(lesson, run, np.random.default_rng(0).integers(0, 60, 700), monkeypatch)
    assert f"{name}.py" in figure.get_suptitle()
    assert f"{lesson.score(1.5):{'.1f' if name in WORD else '.3f'}}" in figure.get_suptitle()
    left = figure.axes[0]
    want = [lesson.score(np.array(nats)) for nats in ([3.0, 1.0], [2.0, 1.5])]
    assert np.allclose([line.get_ydata() for line in left.lines], want)
    assert [line.get_xdata().tolist() for line in left.lines] == [[10, 20]] * 2
    legend = left.get_legend()
    if legend:
        assert [label.get_text() for label in legend.get_texts()] == ["training", "held out"]
    else:
        assert "orange: held out" in left.get_title() and to_hex(left.lines[1].get_color()) == "#ff7f0e"
    assert all(axes.get_title() and axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes[:2])
    if name in WORD:        # plain numbers, also between the powers of ten
        for formatter in (left.yaxis.get_minor_formatter(), left.yaxis.get_major_formatter()):
            assert [formatter(x) for x in (200, 1000, 13.5, 3.6)] == ["200", "1000", "13.5", "3.6"]


@pytest.mark.parametrize("name", CHAR)
def test_the_line_of_the_lags_is_the_median(name, monkeypatch, capsys):
    """Beside it the window; and the first lags with less than a tenth, a hundredth, a thousandth are printed."""
    lesson, run = module(name), a_run(name)
    norms = 10.0 ** -np.array([[0, 0, 0], [0, 1, 1.1], [0.5, 1.9, 3], [2, 2.1, 3], [2.5, 2.5, 2.5]])
    monkeypatch.setattr(lesson, "gradient_by_lag", lambda *_: (norms, norms / 3) if name == "char_rnn" else norms)
    with np.errstate(all="ignore"):                         # as main does it: the made-up text has no quotation marks
        right = figure_of(lesson, run, np.arange(50), monkeypatch).axes[1]
    assert np.allclose(right.lines[0].get_ydata(), np.median(norms, axis=1))
    assert any(np.allclose(line.get_xdata(), 9) for line in right.lines) and right.get_yscale() == "log"
    if name == "char_rnn":
        assert np.allclose(right.lines[1].get_ydata(), np.median(norms, axis=1) / 3)
    (line,) = [line for line in capsys.readouterr().out.split("\n") if "1/1000" in line]
    assert line.split("lags ")[1] == "1, 3, none"


# %% Words
@words
def test_neighbours_are_those_by_angle(name):
    """The lengths do not count, and a word is not its own neighbour."""
    neighbours = module(name).neighbours
    vocab, E = ["<eos>", "crow", "owl", "far", "back"], np.array([[0, 0], [1, 0], [3, 0.3], [9, 99], [-5, 0.0]])
    assert neighbours(E, vocab, "crow", 4)[:2] == ["owl", "far"] and neighbours(E, vocab, "crow", 4)[3] == "back"
    assert neighbours(E, vocab, "crow", 1) == ["owl"]


@words
def test_the_map_shows_words_at_their_two_principal_components(name):
    """At most 80, none upon another, from a plane that lies askew in a space of five dimensions."""
    lesson, rng = module(name), np.random.default_rng(0)
    vocab = [f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(400)]
    plane = rng.normal(size=(400, 2)) * (3, 1)
    E = plane @ np.linalg.qr(rng.normal(size=(5, 2)))[0].T + 7
    axes = Figure().subplots()
    lesson.plot_words(axes, E, vocab)
    places = {label.get_text(): np.array(label.xy) for label in axes.texts}
    assert 20 < len(places) <= 80 and set(places) <= set(vocab) and axes.get_xlabel() and axes.get_ylabel()
    shown = list(places)
    found, want = np.array([places[word] for word in shown]), plane[[vocab.index(word) for word in shown]]

    def distances(points):
        return np.linalg.norm(points[:, None] - points, axis=2)
    assert np.allclose(distances(found), distances(want))                   # turned, perhaps mirrored, no more
    assert np.ptp(found[:, 0]) > np.ptp(found[:, 1])                        # the first one first
    moved = distances(found) + np.eye(len(found)) * 9
    assert moved.min() > 0


@pytest.mark.parametrize("name", ["word_gru"])             # one text in all three: test_repeats
@pytest.mark.parametrize("vocab, rank", [
    (["<eos>", "a"], 3), (["<eos>", *(f"word{n}" for n in range(300))], 0),
    (["<eos>", *"\u6211\u559c\u6b22\u82f9\u679c" * 20], 3), (["<eos>", *(f"a${n}$b^" for n in range(90))], 3),
    (["<eos>", *(f"a{chr(92)}frac{n}_{{" for n in range(90))], 3)])
def test_a_map_of_odd_words(name, vocab, rank, tmp_path, capsys):
    """Few words, all words alike, letters that the font lacks, signs that Matplotlib reads as formulas."""
    lesson, rng = module(name), np.random.default_rng(0)
    E = rng.normal(size=(len(vocab), rank)) if rank else np.ones((len(vocab), 4))
    run = a_run(name) | {"vocab": vocab, "best": {"E": E}}
    lesson.draw(tmp_path / "x.png", run, None)
    assert capsys.readouterr().err == "" and (tmp_path / "x.png").stat().st_size > 10_000


# %% Whole runs
@pytest.mark.parametrize("name", [*CHAR, "word_rnn"])       # draw has one text in the word lessons
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content, flags", [
    ("ab" * 10, []), ("a b\n" * 10, []), ("\n \n" * 40, []), ("\"$^$\" said $.\n" * 30, []),
    (FABLES[:900].replace("\n", " "), ["--hidden", 1]), ("\u6211\u559c\u6b22\u82f9\u679c\u3002" * 40, []),
    ("a\0b\x07\x1b[0m\u2028\u202e \ufffd\n" * 30, [])])
def test_a_picture_that_can_always_be_drawn(name, content, flags, tmp_path, capsys):
    """A right result, picture and all, or the one line that says why not; never a warning."""
    (tmp_path / "t.txt").write_text(content, encoding="utf-8")
    flags = ["--data", tmp_path / "t.txt", "--steps", 3, "--out", tmp_path / "out", *small(name), *flags]
    status = module(name).main(list(map(str, flags)))
    if status:
        assert name in WORD and status == 2                 # for whom it may be one long word, or no word at all
        assert error_of(capsys, name) and not (tmp_path / "out").exists()
    else:
        assert capsys.readouterr().err == ""
        assert {file.name for file in (tmp_path / "out").iterdir()} == {f"{name}.npz", f"{name}.png"}


@language
def test_a_run_that_goes_on_draws_beside_its_checkpoint(name, tmp_path, text, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(module(name), "draw", lambda path, *_: drawn.append(path.name))
    path = train(name, text, tmp_path).rename(tmp_path / "mine.npz")
    assert module(name).main(["--load", str(path), "--steps", "7"]) == 0
    assert drawn == [f"{name}.png", "mine.png"] and "mine.png" in capsys.readouterr().out
