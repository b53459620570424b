using System.Globalization;

namespace MoDM.Gateway.Importing;

/// <summary>Tells how far it is: a line that is written over on a terminal, one every few seconds elsewhere.</summary>
internal sealed class ImportProgress(int total, TextWriter output, bool isTerminal, TimeProvider time)
{
    private const int Width = 24;
    private const double Smoothing = 0.15;
    private static readonly TimeSpan OnTerminal = TimeSpan.FromSeconds(0.2), Elsewhere = TimeSpan.FromSeconds(5);

    private long _lastAt = time.GetTimestamp();
    private int _last;
    private double? _rate;
    private bool _open;

    public void Report(int done)
    {
        var passed = time.GetElapsedTime(_lastAt);
        if (passed < (isTerminal ? OnTerminal : Elsewhere)) return;
        var rate = (done - _last) / passed.TotalSeconds;
        _rate = _rate is { } before && isTerminal ? before + Smoothing * (rate - before) : rate;
        (_lastAt, _last) = (time.GetTimestamp(), done);
        var line = Line(done, total, _rate.Value);
        output.Write(isTerminal ? $"\r{line}\e[K" : $"{line}\n");
        _open = isTerminal;
    }

    /// <summary>A line of its own, above the one that is written over.</summary>
    public void Say(string message)
    {
        Close();
        output.Write($"{message}\n");
    }

    /// <summary>What is written over is left alone from here on.</summary>
    public void Close()
    {
        if (_open) output.Write("\r\e[K");
        _open = false;
    }

    public static string Line(int done, int total, double rate)
    {
        var full = total == 0 ? Width : (int)((long)Width * done / total);
        return string.Create(CultureInfo.InvariantCulture,
            $"[{new string('#', full)}{new string('.', Width - full)}] {done:N0} of {total:N0}, {rate:N0}/s, {Left((total - done) / rate)} left");
    }

    private static string Left(double seconds)
    {
        if (!double.IsFinite(seconds)) return "?";
        var left = (long)Math.Ceiling(seconds);
        return left < 3600 ? $"{left / 60}:{left % 60:00}" : $"{left / 3600}:{left / 60 % 60:00}:{left % 60:00}";
    }
}
