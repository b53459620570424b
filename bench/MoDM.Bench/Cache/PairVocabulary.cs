namespace MoDM.Bench.Cache;

/// <summary>A noun and its plural.</summary>
internal readonly record struct Noun(string One, string Many);

/// <summary>Two wordings; of the same thing in a paraphrase, of two things in a decisive pair.</summary>
internal readonly record struct Wording(string A, string B);

/// <summary>
/// What <see cref="PromptPairs"/> fills its sentences with. Slots of the wordings: {s}, {s2}, {s3} subjects with their articles, {S} the
/// first without, {M} its plural, {o} a thing, {O} its plural, {p} a place, {t} a tail of style words, {q} a text.
/// </summary>
internal sealed record PairVocabulary
{
    /// <summary>Whole prompts around {x}, the part that changes; {p} and {t} are a place and a tail of style words.</summary>
    public required string[] Frames { get; init; }
    public required Noun[] Subjects { get; init; }
    public required Noun[] Things { get; init; }
    public required string[] Places { get; init; }
    public required string[] Colours { get; init; }
    public required string[] Tails { get; init; }
    public required string[] Tags { get; init; }
    public required string[] Texts { get; init; }
    public required string[] TextFrames { get; init; }
    public required Wording[] Negations { get; init; }
    public required Wording[] Sides { get; init; }
    /// <summary>What the same number is called, in digits and in a word; the two of different pairs differ.</summary>
    public required Wording[] Counts { get; init; }
    public required Wording[] Synonyms { get; init; }
    public required Wording[] Moods { get; init; }
    public required Wording[] Times { get; init; }
    public required Wording[] Voices { get; init; }
    public required Wording[] Spellings { get; init; }
    public required Wording[] Media { get; init; }
    public required Wording[] SameNegations { get; init; }

    private static Noun[] Nouns(string text) =>
        [.. text.Split(", ").Select(n => n.Split('/')).Select(n => new Noun(n[0], n.Length > 1 ? n[1] : n[0] + "s"))];

    private static Wording[] Pairs(string text) => [.. text.Split("; ").Select(p => p.Split(" = ")).Select(p => new Wording(p[0], p[1]))];

    /// <summary>The guards may be tuned on these.</summary>
    public static PairVocabulary Tuned { get; } = new()
    {
        Frames =
        [
            "{x} {p}", "a photo of {x} {p}", "{x} {p}, {t}", "a painting of {x}, {t}", "portrait of {x}, {t}", "{x}, {t}",
            "an illustration of {x} {p}, {t}", "{p}, {x}",
        ],
        Subjects = Nouns("cat, dog, horse, robot, lighthouse, castle, wizard, knight, fox/foxes, owl, car, boat, dragon, tree, bicycle, "
            + "astronaut, wolf/wolves, woman/women, man/men, child/children, house, tower, rabbit, bear, train, ship, elephant, "
            + "witch/witches"),
        Things = Nouns("hat, scarf/scarves, lantern, umbrella, crown, sword, flower, book, bell, balloon, candle, flag"),
        Places =
        [
            "on a beach", "in a forest", "by a lake", "near a mountain", "in a city street", "on a hill", "in the desert", "at a market",
            "in a garden", "on a bridge", "in a library",
        ],
        Colours = ["red", "blue", "green", "yellow", "black", "white", "orange", "purple", "pink", "brown", "dark blue", "light green"],
        Tails =
        [
            "highly detailed, digital painting, artstation, concept art, smooth, sharp focus, illustration, art by greg rutkowski",
            "8k, unreal engine, octane render, volumetric lighting", "cinematic lighting, trending on artstation",
            "oil on canvas, masterpiece",
            "4 k, ultra realistic, photorealistic, hyper detailed", "watercolor, soft colors, by studio ghibli",
            "intricate, elegant, highly detailed, matte, sharp focus, illustration, hearthstone, art by artgerm and alphonse mucha",
            "35mm film photograph, bokeh, depth of field", "award winning photography, national geographic", "anime style, vibrant colors",
        ],
        Tags =
        [
            "highly detailed", "8k", "masterpiece", "best quality", "trending on artstation", "sharp focus", "beautiful", "cinematic",
            "ultra realistic", "award winning", "intricate", "octane render", "4k resolution", "professional photography",
        ],
        Texts = ["open", "closed", "welcome home", "keep out", "hello world", "fresh bread", "no entry", "last train", "happy birthday"],
        TextFrames = ["a sign that says \"{q}\" {p}", "{s} holding a banner saying '{q}'", "a neon sign reading \u201c{q}\u201d, {t}",
            "a poster titled \"{q}\", {t}", "a shop window that reads {q}"],
        Negations = Pairs("{s} with a {o} = {s} without a {o}; {s} with a {o} = {s} with no {o}; "
            + "{s} wearing a {o} = {s} not wearing a {o}; "
            + "{s} with {O} = {s} with no {O}; {s} and a {o} = {s} and no {o}"),
        Sides = Pairs("to the left of = to the right of; left of = right of; above = below; in front of = behind; over = under; "
            + "on top of = underneath; inside = outside; north of = south of"),
        Counts = Pairs("2 = two; 3 = three; 4 = four; 5 = five; 7 = seven; 10 = ten; 12 = twelve; 20 = twenty"),
        Synonyms = Pairs("cat = kitty; boat = rowboat; car = automobile; airplane = plane; sea = ocean; forest = woodland; house = home; "
            + "woman = lady; man = gentleman; bicycle = bike; rabbit = bunny; path = trail; stone = rock; ship = vessel; child = kid"),
        Moods = Pairs("beautiful = gorgeous; old = ancient; big = large; small = little; calm = peaceful; happy = cheerful; "
            + "spooky = scary"),
        Times = Pairs("at sunset = in the evening; at dawn = at sunrise; at night = at midnight; at noon = at midday; "
            + "on a rainy day = in the rain; in winter = in the wintertime"),
        Voices = Pairs("{s} chasing a {o} = a {o} chased by {s}; {s} carrying a {o} = a {o} carried by {s}; "
            + "{s} is holding a {o} = a {o} is held by {s}; {s} surrounded by {O} = {O} surrounding {s}"),
        Spellings = Pairs("grey = gray; colourful = colorful; medieval armour = medieval armor; a city centre = a city center; "
            + "jewellery = jewelry; a theatre = a theater; a harbour = a harbor"),
        Media = Pairs("a painting of {s} {p} = {s} {p}, painted; a photo of {s} {p} = a photograph of {s} {p}; "
            + "a drawing of {s} {p} = {s} {p}, drawing; a pencil sketch of {s} {p} = {s} {p}, sketched in pencil; "
            + "a watercolor painting of {s} {p} = {s} {p} in watercolor; an oil painting of {s} {p} = {s} {p}, oil on canvas"),
        SameNegations = Pairs("{s} without a {o} {p} = {p}, {s} with no {o}; {s} not wearing a {o} = {s} without a {o}; "
            + "{s} that isn't wearing a {o} = {s} that is not wearing a {o}; {s} with no {O} = {s} without any {O}"),
    };

    /// <summary>
    /// Other nouns, sentences, synonyms and tails, so that its numbers say what to expect of words that the guards' tables do not hold.
    /// By the hand that wrote the guards, but before them; only the synonyms were drawn later. One pair of it has been learned from:
    /// "there is a viking", of which the ending had been taken for an action's.
    /// </summary>
    public static PairVocabulary HeldOut { get; } = new()
    {
        Frames =
        [
            "{x}", "close-up of {x} {p}", "{x} {p} - {t}", "concept art of {x}, {p}, {t}", "{t}, {x}", "a stunning render of {x} {p}. {t}",
            "there is {x} {p}", "we see {x} {p}, {t}", "a vintage postcard showing {x} {p}", "Epic shot of {x}; {p}; {t}",
        ],
        Subjects = Nouns("pangolin, violin, samurai/samurai, teapot, hedgehog, cathedral, skateboard, nun, mermaid, zeppelin, "
            + "moose/moose, barista, cactus/cacti, typewriter, ballerina, goose/geese, pagoda, tractor, octopus/octopuses, "
            + "viking, cheeseburger, puppy/puppies, "
            + "accordion, sphinx/sphinxes, beekeeper, parrot, submarine, city/cities, carousel, ogre"),
        Things = Nouns("backpack, necklace, parasol, helmet, ribbon, trident, monocle, teacup, kite, cane, tiara, satchel, cape"),
        Places =
        [
            "in a rundown alley", "on a frozen pond", "beside a waterfall", "inside a cluttered workshop", "at the edge of a cliff",
            "on a subway platform", "in an orchard", "next to a vending machine", "amid tall grass", "aboard a ferry", "in Reykjavik",
        ],
        Colours = ["teal", "maroon", "grey", "golden", "lavender", "turquoise", "beige", "crimson", "dark green", "pale pink", "navy blue",
            "silver", "white", "violet"],
        Tails =
        [
            "rim light, subsurface scattering, zbrush, redshift, ray tracing",
            "shot on Kodak Portra 400, 85mm f/1.4, shallow depth of field",
            "muted palette, grainy, lomography", "in the style of Moebius, flat shading, clean lines",
            "by Ilya Kuvshinov and Ross Tran, cgsociety",
            "god rays, hyperrealism, ultra hd, hdr, 16:9", "gouache, textured paper, whimsical",
            "dramatic chiaroscuro, baroque, by Caravaggio",
            "isometric, low poly, blender 3d", "symmetrical composition, wes anderson, pastel tones", "vaporwave aesthetic, --ar 3:2",
            "(masterpiece:1.2), (best quality), absurdres", "deviantart, cyberpunk, moody atmosphere, wlop",
            "long exposure, kinfolk magazine",
        ],
        Tags =
        [
            "hyperdetailed", "uhd", "crisp", "exquisite", "trending on deviantart", "ray traced", "stunning", "breathtaking",
            "dramatic lighting",
            "studio lighting", "super resolution", "ultra sharp", "museum quality", "rendered in vray", "HDR", "fine art", "atmospheric",
        ],
        Texts = ["vacancy", "sold out", "mind the gap", "carpe diem", "lost dog", "do not disturb", "jazz tonight", "exit",
            "made with love"],
        TextFrames = ["graffiti spelling \"{q}\" on a wall {p}", "a wooden board with the words \u00ab{q}\u00bb, {t}",
            "{s} in a t-shirt with the text '{q}'", "a cake with \u2018{q}\u2019 written in icing", "a marquee reads {q}, {t}",
            "a book called \"{q}\" {p}"],
        Negations = Pairs("{s} that has a {o} = {s} that doesn't have a {o}; {s} holding a {o} = {s} holding no {o}; "
            + "{s}, {O} everywhere = {s}, no {O} anywhere; {s} that is carrying a {o} = {s} that is not carrying a {o}; "
            + "{s} and {O} = {s}, free of {O}; {s} with a {o} = {s} lacking a {o}; {s} who always wears a {o} = {s} who never wears a {o}"),
        Sides = Pairs("on the left of = on the right of; standing above = standing below; behind = in front of; beneath = on top of; "
            + "on the left side of = on the right side of; east of = west of; hovering over = hovering under; just outside = just inside"),
        Counts = Pairs("2 = two; 6 = six; 8 = eight; 9 = nine; 11 = eleven; 13 = thirteen; 15 = fifteen; 30 = thirty"),
        // Drawn by chance from the first senses in WordNet 3.1 (animals, artifacts, persons, objects, plants), without the odd ones.
        Synonyms = Pairs("shrub = bush; shoelace = shoestring; trader = dealer; messenger = courier; adolescent = teenager; "
            + "boater = straw hat; necktie = tie; rogue = rascal; bucket = pail; alley = alleyway; metro = subway; building = edifice; "
            + "light bulb = electric light; "
            + "streetcar = trolley car; trunk = tree trunk; grocery store = grocery; cupboard = closet; railing = rail; hound = hound dog; "
            + "railway station = railroad station; reporter = newsman; theater = theatre; stairway = staircase; advisor = consultant"),
        Moods = Pairs("serene = tranquil; eerie = creepy; tiny = miniature; elderly = aged; joyful = merry; majestic = grand; "
            + "worn = weathered"),
        Times = Pairs("at dusk = at twilight; at daybreak = early in the morning; under the stars = under a starry sky; "
            + "on a foggy day = in thick fog; in autumn = in the fall; during a storm = in stormy weather"),
        Voices = Pairs("{s} painting a {o} = a {o} being painted by {s}; {s} dragging a {o} = a {o} dragged by {s}; "
            + "{s} admires a {o} = a {o} admired by {s}; {s} who is repairing a {o} = a {o} that is being repaired by {s}"),
        Spellings = Pairs("a grey sky = a gray sky; a dark coloured coat = a dark colored coat; a ploughed field = a plowed field; "
            + "a favourite toy = a favorite toy; a travelling circus = a traveling circus; a metre long ruler = a meter long ruler; "
            + "pyjamas = pajamas"),
        Media = Pairs("an etching of {s} {p} = {s} {p}, etched; a digital rendering of {s} {p} = {s} {p}, digitally rendered; "
            + "a charcoal drawing of {s} {p} = {s} {p}, drawn in charcoal; a snapshot of {s} {p} = a picture of {s} {p}; "
            + "a fresco of {s} {p} = a mural of {s} {p}; {s} {p} as pixel art = pixel art of {s} {p}"),
        SameNegations = Pairs("{s} who doesn't carry a {o} = {s} who does not carry a {o}; {s} lacking a {o} = {s} without a {o}; "
            + "{s} {p} and not a single {o} = {s} {p}, without a {o}; {s} {p}, there are no {O} = {s} {p}, there aren't any {O}"),
    };
}
