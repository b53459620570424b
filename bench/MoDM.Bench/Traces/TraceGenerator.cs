namespace MoDM.Bench.Traces;

/// <summary>How users behave; the defaults are a guess at an image service, kept on the careful side of its locality.</summary>
/// <param name="Users">
/// Sessions that are interleaved. Well above the requests that a load test has under way: a user looks at a picture before
/// asking for a variation of it, so that a session's next prompt must not overtake its last picture.
/// </param>
/// <param name="SessionLength">Mean number of prompts a session (geometric).</param>
/// <param name="Reword">Share of a session's further prompts that word the same scene again.</param>
/// <param name="Change">Share that changes one attribute; the rest returns to the session's first scene.</param>
/// <param name="Popular">Scenes that many users ask for, by Zipf's law.</param>
/// <param name="PopularShare">Share of sessions that start with one of them; the others start with a fresh scene.</param>
/// <param name="Drop">Probability that a prompt leaves out colour, terrain or time.</param>
internal sealed record TraceSettings(
    int Users = 40, double SessionLength = 8, double Reword = 0.5, double Change = 0.4, int Popular = 60, double Zipf = 1,
    double PopularShare = 0.6, double Drop = 0);

/// <summary>Prompts with the temporal locality of image services: users try variations, and many ask for the same.</summary>
internal static class TraceGenerator
{
    private sealed class Session
    {
        public required Scene First { get; init; }
        public required Scene Now { get; set; }
        public required int Left { get; set; }
    }

    public static IReadOnlyList<TraceEntry> Generate(TraceSettings settings, int count, int seed)
    {
        var random = new Random(seed);
        var popular = Enumerable.Range(0, settings.Popular).Select(_ => Scene.Sample(random)).ToArray();
        var zipf = new Zipf(settings.Popular, settings.Zipf);
        var sessions = new Session?[settings.Users];
        var trace = new TraceEntry[count];
        for (var i = 0; i < count; i++)
        {
            var user = random.Next(sessions.Length);
            ref var session = ref sessions[user];
            if (session is { Left: > 0 })
                Continue(session);
            else
                session = Start();
            session.Left--;
            var caption = Caption.Of(session.Now, random, settings.Drop);
            trace[i] = new TraceEntry(caption.Text, SeedOf(seed, i), session.Now, caption.Named, user);
        }
        return trace;

        Session Start()
        {
            var scene = random.NextDouble() < settings.PopularShare ? popular[zipf.Draw(random)] : Scene.Sample(random);
            return new Session { First = scene, Now = scene, Left = Geometric(settings.SessionLength, random) };
        }

        void Continue(Session session)
        {
            var choice = random.NextDouble();
            if (choice >= settings.Reword)
                session.Now = choice < settings.Reword + settings.Change ? session.Now.Change(random) : session.First;
        }
    }

    /// <summary>Apart from each other for all seeds of up to a million requests.</summary>
    public static long SeedOf(int seed, int index) => seed * 1_000_000L + index;

    private static int Geometric(double mean, Random random) =>
        mean <= 1 ? 1 : 1 + (int)(Math.Log(1 - random.NextDouble()) / Math.Log(1 - 1 / mean));
}
