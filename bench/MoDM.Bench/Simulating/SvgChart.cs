using System.Globalization;
using System.Net;
using System.Text;

namespace MoDM.Bench.Simulating;

/// <param name="Steps">Drawn as stairs: a size holds until the next one.</param>
internal sealed record Series(string Name, IReadOnlyList<(double X, double Y)> Points, bool Steps = false);

/// <summary>Charts as SVG files that need nothing else to be looked at: lines over x, or bars in groups.</summary>
internal static class SvgChart
{
    private const int Width = 820, Height = 420, Left = 64, Right = 190, Top = 44, Bottom = 52;
    private static readonly string[] Colours = ["#1b6ca8", "#d1495b", "#2e933c", "#8f5fbf", "#e08e0b", "#5c6670", "#00a7a0", "#a0522d", "#7a9e00", "#c05aa0"];

    public static string Lines(string title, string xLabel, string yLabel, IReadOnlyList<Series> series)
    {
        var points = series.SelectMany(s => s.Points).ToList();
        var (x0, x1) = (points.Min(p => p.X), points.Max(p => p.X));
        var top = Nice(points.Max(p => p.Y));
        double X(double x) => Left + (x - x0) / Math.Max(1e-9, x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - y / top * (Height - Top - Bottom);
        var svg = Open(title, xLabel, yLabel, top, Y);
        for (var i = 0; i <= 5; i++)
            Text(svg, X(x0 + (x1 - x0) * i / 5), Height - Bottom + 18, "middle", $"{x0 + (x1 - x0) * i / 5:0.##}");
        foreach (var (i, line) in series.Index())
        {
            var path = new StringBuilder();
            foreach (var (n, (x, y)) in line.Points.Index())
            {
                if (line.Steps && n > 0) path.Append(Invariant($"L{X(x):0.#} {Y(line.Points[n - 1].Y):0.#}"));
                path.Append(n == 0 ? 'M' : 'L').Append(Invariant($"{X(x):0.#} {Y(y):0.#}"));
            }
            svg.Append(Invariant($"<path d=\"{path}\" fill=\"none\" stroke=\"{Colours[i % Colours.Length]}\" stroke-width=\"2\"/>\n"));
            Key(svg, i, line.Name);
        }
        return svg.Append("</svg>\n").ToString();
    }

    /// <param name="values">By group, then by series; NaN: no bar.</param>
    public static string Bars(
        string title, string yLabel, IReadOnlyList<string> groups, IReadOnlyList<string> series, IReadOnlyList<IReadOnlyList<double>> values)
    {
        var top = Nice(values.SelectMany(v => v).Where(double.IsFinite).Max());
        double Y(double y) => Height - Bottom - y / top * (Height - Top - Bottom);
        var svg = Open(title, "", yLabel, top, Y);
        var group = (double)(Width - Left - Right) / groups.Count;
        var bar = group * 0.84 / series.Count;
        foreach (var (g, name) in groups.Index())
        {
            Text(svg, Left + group * (g + 0.5), Height - Bottom + 18, "middle", name);
            foreach (var (s, value) in values[g].Index().Where(v => double.IsFinite(v.Item)))
            {
                var x = Left + group * (g + 0.08) + bar * s;
                svg.Append(Invariant($"<rect x=\"{x:0.#}\" y=\"{Y(value):0.#}\" width=\"{bar * 0.9:0.#}\" height=\"{Height - Bottom - Y(value):0.#}\" fill=\"{Colours[s % Colours.Length]}\"/>\n"));
                Text(svg, x + bar * 0.45, Y(value) - 4, "middle", $"{value:0.0}", 9);
            }
        }
        foreach (var (s, name) in series.Index())
            Key(svg, s, name);
        return svg.Append("</svg>\n").ToString();
    }

    private static StringBuilder Open(string title, string xLabel, string yLabel, double top, Func<double, double> y)
    {
        var svg = new StringBuilder(Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"{Width}\" height=\"{Height}\" fill=\"#fff\"/>\n"));
        Text(svg, Left, 24, "start", title, 15);
        Text(svg, Left + (Width - Left - Right) / 2.0, Height - 12, "middle", xLabel);
        svg.Append(Invariant($"<text x=\"16\" y=\"{Height / 2}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {Height / 2})\">{WebUtility.HtmlEncode(yLabel)}</text>\n"));
        for (var i = 0; i <= 5; i++)
        {
            svg.Append(Invariant($"<line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y(top * i / 5):0.#}\" y2=\"{y(top * i / 5):0.#}\" stroke=\"#ddd\"/>\n"));
            Text(svg, Left - 8, y(top * i / 5) + 4, "end", $"{top * i / 5:0.##}");
        }
        return svg;
    }

    private static void Key(StringBuilder svg, int i, string name)
    {
        svg.Append(Invariant($"<rect x=\"{Width - Right + 14}\" y=\"{Top + 20 * i}\" width=\"12\" height=\"12\" fill=\"{Colours[i % Colours.Length]}\"/>\n"));
        Text(svg, Width - Right + 32, Top + 20 * i + 11, "start", name);
    }

    private static void Text(StringBuilder svg, double x, double y, string anchor, string text, int size = 12) =>
        svg.Append(Invariant($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{WebUtility.HtmlEncode(text)}</text>\n"));

    /// <summary>The next of 1, 2, 2.5, 5 times a power of ten.</summary>
    private static double Nice(double value)
    {
        if (value <= 0) return 1;
        var power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return new[] { 1, 2, 2.5, 5, 10 }.Select(m => m * power).First(m => m >= value * 0.999);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
