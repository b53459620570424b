using MoDM.Bench.Indexing;
var set = args.Length > 1 ? args[1].Split(',').ToHashSet() : ["exact", "int8", "i8-16"];
var data = args.Length > 2 ? args[2].Split(',').ToHashSet() : ["clip"];
foreach (var f in IndexBench.Run(new(100_000, 512, 1000, 1, data, set)))
    Console.WriteLine(f);
