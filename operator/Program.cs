using MoDM.Operator.Resources;

Console.WriteLine(CrdManifest.Yaml(args is not ["crd", "--no-cel"]));
return 0;
