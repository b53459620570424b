Console.Error.WriteLine("The operator is not built yet.");
return 2;
